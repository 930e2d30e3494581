"""Register the model with MLflow if its verdict allows, as champion if it is as good as the present one.

Reads reports/verdict.json, reports/metrics.json, artifacts/model/, artifacts/run.json, artifacts/predictions.parquet
and artifacts/dataset/. Writes reports/registration.json: what was decided, and why, in this store; and
artifacts/registered.json, for DVC: which model that was about, the same in every store. A model that is already
registered is not registered again. A queued experiment makes its model `challenger` at most.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.config import Config, flatten
from pipeline.evaluation.checks import JUDGED, require_judged
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.records import MetricsRecord, VerdictRecord
from pipeline.inference.model_folder import ModelInfo, read_info, require_digest, require_trained_for
from pipeline.inference.predictor import Predictor
from pipeline.registry.champion import Comparison, Decision, compare, decide
from pipeline.registry.model_card import model_card, version_card
from pipeline.registry.versions import (
    CHALLENGER,
    CHAMPION,
    Candidate,
    download_model,
    find_alias,
    find_version,
    has_lost_files,
    register_version,
    restore_files,
    run_of_version,
    set_alias,
    tag_version,
)
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import read_json, write_json
from pipeline.runtime.paths import WORKSPACE, project_root
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_info as read_dataset_info
from pipeline.tracking.finished_runs import finished_runs
from pipeline.tracking.provenance import run_name, run_tags
from pipeline.tracking.run import find_run, training_run
from pipeline.tracking.store import Store, connect, only_registering, translate_mlflow_errors
from pipeline.tracking.training_record import read_training_record

REMEDY = "run `dvc repro`"
READS = ("artifacts/dataset/dataset.json", "artifacts/run.json", "reports/verdict.json", *JUDGED.values())

logger = logging.getLogger(__name__)


def main(config: Config, inputs: Inputs) -> None:
    """Register the model of this checkout, once it is certain that the verdict is about it."""
    artifacts = WORKSPACE / "artifacts"
    verdict, run = read_verdict(WORKSPACE), read_training_record(artifacts / "run.json", REMEDY)
    require_trained_for(config, artifacts / "model", read_dataset_info(artifacts / "dataset").digest)
    require_digest(artifacts / "model", run.model)
    require_judged(verdict, WORKSPACE)
    register(config, WORKSPACE, queued=project_root() != WORKSPACE, check=inputs.require_unchanged)


def read_verdict(workspace: Path) -> VerdictRecord:
    """`reports/verdict.json`."""
    return read_json(workspace / "reports" / "verdict.json", VerdictRecord, REMEDY)


def register(config: Config, workspace: Path, queued: bool, check: Callable[[], None] = lambda: None) -> None:
    """Register the model in a workspace, or say why not.

    Args:
        config: the configuration.
        workspace: as `evaluate` leaves it.
        queued: DVC runs a queued experiment, in a copy.
        check: called before anything is registered.
    """
    verdict = read_verdict(workspace)
    store = connect(config.tracking)
    with translate_mlflow_errors(store.uri), only_registering(store):
        check()  # another command may have been waited for
        outcome = (
            _register(config, store, workspace, queued)
            if verdict.passed
            else _refuse(store, config, workspace, verdict)
        )
    write_json(workspace / "reports" / "registration.json", outcome)
    about = {"model": config.registry.model_name, "sha256": folder_digest(workspace / "artifacts" / "model")}
    write_json(workspace / "artifacts" / "registered.json", about)
    what = "version {version} is {alias}" if outcome["alias"] else "not registered now"
    logger.info("%s: %s: %s", outcome["model"], what.format_map(outcome), outcome["reason"])


def _refuse(store: Store, config: Config, workspace: Path, verdict: VerdictRecord) -> dict[str, Any]:
    name = config.registry.model_name
    version, reason = find_version(store, name, folder_digest(workspace / "artifacts" / "model")), _failures(verdict)
    if version is not None:
        reason = f"version {version} passed earlier checks and stays registered as it is, but now {reason}"
    return {"registered": version is not None, "model": name, "version": version, "alias": None, "reason": reason}


def _register(config: Config, store: Store, workspace: Path, queued: bool) -> dict[str, Any]:
    name, folder = config.registry.model_name, workspace / "artifacts" / "model"
    candidate = read_info(folder / "config.json")
    predictions = read_predictions(workspace / "artifacts" / "predictions.parquet", "validation")
    version = find_version(store, name, folder_digest(folder))
    if version is None:
        version = register_version(store, name, model_card(config), _candidate(config, store, workspace))
    elif has_lost_files(store, name, version, like=folder):
        restore_files(store, name, version, _candidate(config, store, workspace))
        logger.warning("%s: the files of version %s were gone from %s; they are there again", name, version, store.name)
    while True:
        champion = find_alias(store, name, CHAMPION)
        if version == champion:
            comparison, decision = None, Decision(CHAMPION, f"version {version} is champion already")
            break
        comparison, decision = _decide(config, store, workspace, candidate, predictions, champion, queued)
        if find_alias(store, name, CHAMPION) == champion:
            tag_version(store, name, version, _decision_tags(comparison, decision))
            break
        logger.info("another project has named a new champion meanwhile; comparing with that")
    set_alias(store, name, version, decision.alias)
    return {
        "registered": True,
        "model": name,
        "version": version,
        "alias": decision.alias,
        "reason": decision.reason,
        "champion_before": champion,
        "accuracy": comparison.accuracy if comparison else None,
        "champion_accuracy": comparison.champion_accuracy if comparison else None,
        "p_value": comparison.p_value if comparison else None,
        "run_id": run_of_version(store, name, version),
    }


def _decide(
    config: Config,
    store: Store,
    workspace: Path,
    candidate: ModelInfo,
    predictions: Mapping[str, float],
    champion: str | None,
    queued: bool,
) -> tuple[Comparison | None, Decision]:
    comparison = None
    if champion is not None:
        with TemporaryDirectory() as scratch:
            try:
                model = Predictor.load(download_model(store, config.registry.model_name, champion, Path(scratch)))
            except PipelineError as error:
                return None, _decide_alone(config, store, workspace / "artifacts" / "model", champion, queued, error)
        if model.info.trained_on != candidate.trained_on:
            # one of the two may have been trained on what is validation to the other
            return None, Decision(CHALLENGER, f"the champion, version {champion}, was trained on other reviews")
        comparison = compare(candidate.threshold, predictions, model, workspace / "artifacts" / "dataset")
    return comparison, decide(comparison, config.registry.alpha, queued)


def _decide_alone(
    config: Config, store: Store, folder: Path, champion: str, queued: bool, error: PipelineError
) -> Decision:
    """Decide where the champion cannot be read: only one whose files are certainly gone makes room for another."""
    described = f"the champion, version {champion}, cannot be read"
    if not has_lost_files(store, config.registry.model_name, champion, like=folder):
        return Decision(CHALLENGER, f"{described} ({error})")
    if not store.has_own_artifacts:
        remedy = "run `python -m pipeline.register` where it was trained, or take the alias from it in the MLflow UI"
        return Decision(CHALLENGER, f"{described}: {store.name} has not all of its files; {remedy}")
    return Decision(CHALLENGER if queued else CHAMPION, f"{described}: its files are gone from {store.name}")


def _candidate(config: Config, store: Store, workspace: Path) -> Candidate:
    """The model with the run that made it; a store that does not know that run gets one in its place."""
    folder = workspace / "artifacts" / "model"
    metrics = read_json(workspace / "reports" / "metrics.json", MetricsRecord, REMEDY).model_dump(exclude_unset=True)
    tested = {key: value for key, value in flatten({"test": metrics["test"]}).items() if value is not None}
    made = read_training_record(workspace / "artifacts" / "run.json", REMEDY)
    found = find_run(store, made.run_id)
    made_from = found.data.tags if found else made.tags
    tags = {key: made_from.get(key, value) for key, value in run_tags(config, workspace).items()}
    run_id = found.info.run_id if found else _stand_in(config, store, made.run_id, tags, tested, folder)
    tags = {key: value for key, value in tags.items() if not key.startswith("mlflow.")}
    tags |= {key: f"{value:.6g}" for key, value in tested.items()}
    return Candidate(folder, run_id, tags, version_card(config, metrics, tags))


def _stand_in(
    config: Config, store: Store, unknown: str, tags: Mapping[str, str], tested: Mapping[str, float], folder: Path
) -> str:
    if earlier := finished_runs(store, {"source.run_id": unknown}):
        return earlier[0].run_id
    logger.info("MLflow run %s is not in %s: another stands in for it", unknown, store.name)
    with training_run(store, run_name(config), {**tags, "source.run_id": unknown}) as run:
        run.log_params(flatten(read_info(folder / "config.json").model_dump()))
        run.log_metrics({key.replace(".", "/"): value for key, value in tested.items()}, step=0)
    return run.run_id


def _decision_tags(comparison: Comparison | None, decision: Decision) -> dict[str, str]:
    figures = vars(comparison) if comparison else {}
    return {f"registration.{key}": value for key, value in vars(decision).items()} | {
        f"registration.{key}": f"{value:.6g}" for key, value in figures.items()
    }


def _failures(verdict: VerdictRecord) -> str:
    return "; ".join(
        f"check {check.name} failed: {check.metric} is {check.value}, "
        + " and ".join(
            f"{name} {bound}" for name, bound in (("min", check.min), ("max", check.max)) if bound is not None
        )
        for check in verdict.checks
        if not check.passed
    )


if __name__ == "__main__":
    run_stage(main, __doc__, *READS)
