"""A model registered, or refused with the reason: the work of the stage `register`."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.schema import Config
from pipeline.evaluation.checks import require_checked
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.records import ChecksRecord, DetailsRecord
from pipeline.inference.model_folder import read_model_info, require_digest, require_trained_for
from pipeline.registry.champion import Contender, appoint, registration_lock
from pipeline.registry.model_card import front_matter, model_card, version_card
from pipeline.registry.outcome import RegistrationRecord
from pipeline.registry.packaging import Candidate
from pipeline.registry.versions import (
    find_version,
    has_lost_files,
    register_version,
    restore_files,
    run_of_version,
)
from pipeline.report.formatting import number
from pipeline.runtime.checksum import file_digest, folder_digest
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import ARTIFACTS, DATASET, MODEL, REPORTS, TRAINING_RECORD, WORKSPACE, project_root
from pipeline.runtime.records import read_json, write_json
from pipeline.text.dataset import read_dataset_record
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.evaluation_record import headline
from pipeline.tracking.finished_runs import finished_runs
from pipeline.tracking.hyperparameters import hyperparameters
from pipeline.tracking.metric_points import defined_metrics
from pipeline.tracking.provenance import PROVENANCE, origin_of, run_name, shown_tags
from pipeline.tracking.query import find_run
from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store, connect
from pipeline.tracking.training_record import read_training_record

VERSION_TAGS = ("corpus", "model", "git.commit", "dvc.experiment")
"""Keys of a training's origin that are tags of its version."""
RUN_DVC_REPRO = "run `dvc repro`"

log = logging.getLogger(__name__)


def register_model(config: Config, inputs: Inputs) -> None:
    """Register the model of this checkout, once it is certain that the checks are about it."""
    checks, run = read_checks(), read_training_record(TRAINING_RECORD, RUN_DVC_REPRO)
    require_trained_for(config, MODEL, read_dataset_record(DATASET).digest)
    require_digest(MODEL, run.model)
    require_checked(checks, WORKSPACE)
    register(config, checks, queued=project_root() != WORKSPACE, check=inputs.require_unchanged)


def read_checks() -> ChecksRecord:
    """Read `reports/verdict.json`.

    Raises:
        PipelineError: it is missing or damaged.
    """
    return read_json(REPORTS / "verdict.json", ChecksRecord, RUN_DVC_REPRO)


def register(config: Config, checks: ChecksRecord, queued: bool, check: Callable[[], None] = lambda: None) -> None:
    """Register the model, or report why not.

    Args:
        config: the configuration.
        checks: `reports/verdict.json`.
        queued: DVC runs a queued experiment, in a copy of the workspace.
        check: called before anything is registered.
    """
    store, name, digest = connect(config.tracking), config.registry.model_name, folder_digest(MODEL)
    with translate_mlflow_errors(store.uri), registration_lock(store):
        check()  # this command may have waited for another one
        outcome = (
            _register_passed(config, store, digest, queued)
            if checks.passed
            else _refuse(store, name, digest, _describe_failures(checks))
        )
    outcome |= {"sha256": digest, "verdict": file_digest(REPORTS / "verdict.json", "sha256")}
    outcome["store"] = store.lasting_name
    write_json(REPORTS / "registration.json", outcome)
    write_json(ARTIFACTS / "registered.json", {"model": name, "sha256": digest})
    place = RegistrationRecord.model_validate(outcome).place
    for line in outcome["reason"].splitlines():
        log.info("%s: %s: %s", name, place, line)


def _refuse(store: Store, name: str, digest: str, failures: str) -> dict[str, Any]:
    version = find_version(store, name, digest)
    reason = failures
    if version is not None:
        reason = f"version {version} passed earlier checks and stays registered as it is, but now {failures}"
    return {"registered": version is not None, "model": name, "version": version, "alias": None, "reason": reason}


def _register_passed(config: Config, store: Store, digest: str, queued: bool) -> dict[str, Any]:
    name = config.registry.model_name
    info = read_model_info(MODEL / "config.json")
    predictions = read_predictions(ARTIFACTS / "predictions.parquet", "validation")
    version = find_version(store, name, digest)
    if version is None:
        version = register_version(store, name, model_card(config), _candidate(config, store))
    elif has_lost_files(store, name, version, like=MODEL, same=True):
        restore_files(store, name, version, _candidate(config, store))
        log.warning(
            "%s: the files of version %s were gone from %s, or damaged; they are stored again",
            name,
            version,
            store.name,
        )
    contender = Contender(name, version, MODEL, info, predictions, queued)
    decision, champion = appoint(store, contender, DATASET, config.registry.alpha)
    comparison = decision.comparison
    return {
        "registered": True,
        "model": name,
        "version": version,
        "alias": decision.alias,
        "reason": decision.reason,
        "champion_before": champion,
        "metric": comparison.metric if comparison else None,
        "value": comparison.value if comparison else None,
        "champion_value": comparison.champion_value if comparison else None,
        "p_value": comparison.p_value if comparison else None,
        "run_id": run_of_version(store, name, version),
    }


def _candidate(config: Config, store: Store) -> Candidate:
    """Return the model with the run that made it; a store that does not have that run gets one in its place."""
    details = read_json(REPORTS / "details.json", DetailsRecord, RUN_DVC_REPRO).model_dump(exclude_unset=True)
    training = read_training_record(TRAINING_RECORD, RUN_DVC_REPRO)
    run, origin = find_run(store, training.run_id), training.origin or origin_of(config)
    run_id = run.info.run_id if run else _stand_in(config, store, training.run_id, origin, details)
    tags = {key: origin[key] for key in VERSION_TAGS if key in origin}
    for part, key in (("test", "accuracy"), ("baseline", "accuracy")):
        if part in details:
            tags[f"{part}.{key}"] = f"{details[part][key]:.6g}"
    dataset, info = read_dataset_record(DATASET), read_model_info(MODEL / "config.json")
    card = version_card(config, details, training.model_copy(update={"origin": origin}), dataset, info)
    return Candidate(MODEL, run_id, tags, card, front_matter(config, details))


def _stand_in(config: Config, store: Store, unknown: str, origin: Mapping[str, str], details: Mapping[str, Any]) -> str:
    """Return the id of the run that stands in for one which the store does not have; create it if it is missing."""
    if earlier := finished_runs(store, {"source.run_id": unknown}):
        return earlier[0].run_id
    log.info("MLflow run %s is not in %s: another run stands in for it", unknown, store.name)
    source = {"source.run_id": unknown, "mlflow.source.name": "pipeline.register"}
    with open_run(store, run_name(config), {**shown_tags(origin), **source}) as run:
        run.log_params(hyperparameters(config))
        run.log_dict(origin, PROVENANCE)
        run.log_metrics(headline(defined_metrics(details)), step=0)
    return run.run_id


def _describe_failures(checks: ChecksRecord) -> str:
    return "\n".join(
        f"check {check.name} failed: {check.metric} is {number(check.value)}, "
        + " and ".join(
            f"{name} {bound}" for name, bound in (("min", check.min), ("max", check.max)) if bound is not None
        )
        + f"; {check.remedy}"
        for check in checks.checks
        if not check.passed
    )
