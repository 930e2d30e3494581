"""Reproduce a run: train it again in a temporary clone of the project, and compare its metrics and weights.

RUN is the id of a training run, or a registered version: models:/sentiment@champion, models:/sentiment/3. The clone is
at the run's commit, and uses the run's data, configuration, device, precision and number of threads. All stages after
the data run again, with the packages that are installed now. Then the clone is removed. The project and its MLflow
store do not change.

  python -m pipeline.reproduce models:/sentiment@champion

Exit code 0: reproduced; all metrics and the weights are equal to the last digit. Exit code 1: not reproduced, or the
run cannot be repeated; the last line says why. More: docs/reproduce.md
"""

import logging
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from pipeline.cli import Parser, tidy_exit
from pipeline.config.composition import compose_config
from pipeline.config.params import load_params
from pipeline.config.tracking import TrackingConfig
from pipeline.reproduce.clone import store_uri, succeeds, temporary_clone
from pipeline.reproduce.comparison import conclude, format_pairs, pair_metrics
from pipeline.reproduce.data import bring_data, bring_files
from pipeline.reproduce.record import (
    WEIGHTS,
    changed_environment,
    find_training,
    recorded_metrics,
    weights_digest,
)
from pipeline.runtime.atomic import write_text
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import Record, read_json
from pipeline.tracking.finished_runs import FinishedRun, find_finished, read_config
from pipeline.tracking.provenance import WITHOUT_EFFECT, find_commit, source_sha256
from pipeline.tracking.store import Store, connect, default_tracking_uri

SKIPPED_STAGES = ("compose", "download", "register")
"""Stages that do not lie between the data and the metrics."""

log = logging.getLogger(__name__)


class MinimalRecord(Record):
    """The field of `run.json` that the code of every commit writes."""

    run_id: str


def main(name: str, chosen: str | None, tolerance: float) -> bool:
    """Train a run again; print its metrics beside the new ones, and the conclusion.

    Args:
        name: id of the run, or a registered version.
        chosen: a commit to use instead of the run's.
        tolerance: maximum difference of a metric that still counts as reproduced.

    Returns:
        true if the run is reproduced.

    Raises:
        PipelineError: it cannot be trained again.
    """
    tracking = load_params().tracking
    store = connect(tracking)
    run = find_training(store, name)
    config = read_config(store, run.run_id)
    weights = weights_digest(store, run.run_id)
    commit = commit_of(WORKSPACE, run, chosen)
    log.info("run %s (%s): commit %s, data %s", run.run_id, run.name, commit[:12], run.tags["data.md5"])
    if changed := changed_environment(store, run.run_id):
        log.warning("versions differ from those of the run, which may change the figures: %s", "; ".join(changed))
    with temporary_clone(WORKSPACE, commit) as clone:
        require_code(run, clone, chosen)
        write_text(clone / "params.yaml", yaml.safe_dump(params_of_run(run, config, clone), sort_keys=False))
        bring_files(WORKSPACE, clone, config)
        bring_data(WORKSPACE, clone, run.tags["data.md5"])
        for stage in stages_to_repeat(run, clone):
            repeat_stage(stage, clone, commit)
        now = repeated_metrics(tracking, store, clone)
        weights_now = file_digest(clone / "artifacts" / WEIGHTS, "sha256")
    pairs = pair_metrics(recorded_metrics(store, run), now, tolerance)
    reproduced, conclusion = conclude(pairs, tolerance, None if weights is None else weights == weights_now)
    print(f"{format_pairs(pairs)}\n\nweights of the run: {weights or 'not kept'}\nweights now:        {weights_now}\n")
    print(conclusion)
    return reproduced


def commit_of(project: Path, run: FinishedRun, chosen: str | None) -> str:
    """Return the hash of the commit to check out.

    Raises:
        PipelineError: the repository does not have it.
    """
    commit = find_commit(project, chosen or run.tags["git.commit"])
    if commit is None and chosen:
        raise PipelineError(f"--commit {chosen}: the repository has no such commit")
    if commit is None:
        raise PipelineError(
            f"run {run.run_id} was trained at commit {run.tags['git.commit']}, which this repository does not have; "
            "`git fetch` it from where the run was trained"
        )
    return commit


def require_code(run: FinishedRun, clone: Path, chosen: str | None) -> None:
    """Refuse a commit whose code is not the run's, unless the user has chosen that commit.

    Raises:
        PipelineError: the code differs from the run's.
    """
    if source_sha256(clone) == run.tags["code.sha256"]:
        if run.tags.get("git.dirty") == "true":
            log.warning(
                "the run had uncommitted changes, but none in pipeline/; if they were in behaviour_suite/, the suite "
                "of behaviour tests differs"
            )
    elif chosen:
        log.warning("the code of commit %s differs from the run's", chosen)
    else:
        raise PipelineError(
            f"run {run.run_id} was trained at commit {run.tags['git.commit']} with uncommitted changes in pipeline/; "
            "if they are committed by now, choose that commit with --commit"
        )


def params_of_run(run: FinishedRun, config: Mapping[str, Any], clone: Path) -> dict[str, Any]:
    """Return the content of `params.yaml` with which the run was trained.

    Raises:
        PipelineError: it was trained on a GPU, and this machine has none.
    """
    device = run.params["hardware.device"]
    available = torch.backends.mps.is_available() if device == "mps" else torch.cuda.is_available()
    if device != "cpu" and not available:
        raise PipelineError(f"run {run.run_id} was trained on a GPU, {device}; use a machine on which torch finds one")
    composed = compose_config([], clone / "conf")
    values = {**{section: composed[section] for section in WITHOUT_EFFECT if section in composed}, **config}
    values["trainer"] = {
        **config["trainer"],
        "accelerator": device if device in ("cpu", "mps") else "gpu",
        "precision": run.params["hardware.precision"],
        "threads": int(run.params["hardware.threads"]),
    }
    if ladder := config["evaluation"].get("memory_ladder"):  # only a picture of the report; git ignores its file
        values["evaluation"] = {**config["evaluation"], "memory_ladder": {**ladder, "fingerprint": None}}
    return values


def stages_to_repeat(run: FinishedRun, clone: Path) -> list[str]:
    """List the stages from the data to the run's metrics in order; without `evaluate` if the run was not evaluated."""
    stages = yaml.safe_load((clone / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    evaluated = any(metric.startswith("test/") for metric in run.metrics)
    return [stage for stage in stages if stage not in SKIPPED_STAGES and (evaluated or stage != "evaluate")]


def repeat_stage(stage: str, clone: Path, commit: str) -> None:
    """Run a stage without DVC, which might restore an earlier result from its run cache.

    Raises:
        PipelineError: the stage failed.
    """
    log.info("stage %s", stage)
    if not succeeds(clone, f"pipeline.{stage}"):
        raise PipelineError(f"stage {stage} failed at commit {commit[:12]}; see its output above")


def repeated_metrics(tracking: TrackingConfig, store: Store, clone: Path) -> dict[str, float]:
    """Return the metrics of the new run from the clone's own store.

    Raises:
        PipelineError: there is none, or it has not finished.
    """
    run_id = read_json(clone / "artifacts" / "run.json", MinimalRecord, "the training failed").run_id
    with default_tracking_uri(replace(store, uri=store_uri(clone))):
        store_of_clone = connect(tracking)
    run = find_finished(store_of_clone, run_id)
    if run is None:
        raise PipelineError(f"the new run {run_id} has not finished; see its output above")
    return recorded_metrics(store_of_clone, run)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("run", metavar="RUN", help="id of a run, or a registered version")
    parser.add_argument("--commit", help="use the code of this commit instead of that of the run")
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=0.0,
        help="maximum difference of a metric that is tolerated, for another machine; then only metrics of whole "
        "splits are compared (default: 0)",
    )
    arguments = parser.parse_args()
    with tidy_exit():
        sys.exit(0 if main(arguments.run, arguments.commit, arguments.tolerance) else 1)
