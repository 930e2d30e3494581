"""Train a run of MLflow's again, in a temporary clone of the project, and confirm or deny its metrics.

RUN is the id of a training, or a registered version: models:/sentiment@champion, models:/sentiment/3. The clone is at
the run's commit, and takes the run's data, configuration, device, precision and number of threads. Everything after the
data is made anew, with the packages that are installed now. Then the clone is removed; the project and its MLflow store
stay as they are.

  python -m pipeline.reproduce models:/sentiment@champion

Exit code 0: reproduced, all metrics and the weights to the last digit. 1: not, or it cannot be tried; the last line
says why. More: docs/reproduce.md
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
from pipeline.config import TrackingConfig, load_params
from pipeline.config.composition import compose_config
from pipeline.reproduce.clone import store_uri, succeeds, temporary_clone
from pipeline.reproduce.comparison import pair, table, verdict
from pipeline.reproduce.data import bring_data, bring_files
from pipeline.reproduce.record import WEIGHTS, changed_environment, find_training, weights_digest
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import Record, read_json, write_text
from pipeline.runtime.paths import WORKSPACE
from pipeline.tracking.finished_runs import FinishedRun, find_finished, read_config
from pipeline.tracking.provenance import WITHOUT_EFFECT, code_digest, find_commit
from pipeline.tracking.store import Store, connect, default_tracking_uri

NO_PART = ("compose", "download", "register")
"""Stages that are no part of making a model from data and judging it."""

log = logging.getLogger(__name__)


class RunOfAnyCommit(Record):
    """The part of `run.json` that the code of every commit writes."""

    run_id: str


def main(name: str, chosen: str | None, tolerance: float) -> bool:
    """Train a run again; print its metrics beside the new ones, and the verdict.

    Args:
        name: id of the run, or a registered version.
        chosen: a commit to take in place of the run's.
        tolerance: largest difference of a metric that counts as none.

    Returns:
        Whether it is reproduced.

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
        log.warning("other than for the run, which may change figures: %s", "; ".join(changed))
    with temporary_clone(WORKSPACE, commit) as clone:
        require_code(run, clone, chosen)
        write_text(clone / "params.yaml", yaml.safe_dump(configuration(run, config, clone), sort_keys=False))
        bring_files(WORKSPACE, clone, config)
        bring_data(WORKSPACE, clone, run.tags["data.md5"])
        for stage in stages(run, clone):
            perform(stage, clone, commit)
        again = trained_again(tracking, store, clone)
        weights_now = file_digest(clone / "artifacts" / WEIGHTS, "sha256")
    pairs = pair(run.metrics, again.metrics, tolerance)
    reproduced, words = verdict(pairs, tolerance, None if weights is None else weights == weights_now)
    print(
        f"{table(pairs)}\n\nweights of the run: {weights or 'not kept'}\nweights now:        {weights_now}\n\n{words}"
    )
    return reproduced


def commit_of(project: Path, run: FinishedRun, chosen: str | None) -> str:
    """The hash of the commit to check out.

    Raises:
        PipelineError: the repository does not have it.
    """
    commit = find_commit(project, chosen or run.tags["git.commit"])
    if commit is None and chosen:
        raise PipelineError(f"--commit {chosen}: the repository has no such commit")
    if commit is None:
        raise PipelineError(
            f"run {run.run_id} was made from commit {run.tags['git.commit']}, which this repository does not have; "
            "`git fetch` it from where the run was made"
        )
    return commit


def require_code(run: FinishedRun, clone: Path, chosen: str | None) -> None:
    """Refuse a commit that is not the run's code, unless the user has chosen it.

    Raises:
        PipelineError: its code is other than the run's.
    """
    if code_digest(clone) == run.tags["code.sha256"]:
        if run.tags.get("git.dirty") == "true":
            log.warning(
                "the run had changes that were not committed, none in pipeline/; where they were in conf/behaviour/, "
                "its suite is another"
            )
    elif chosen:
        log.warning("the code of commit %s is not the run's", chosen)
    else:
        raise PipelineError(
            f"run {run.run_id} was made from commit {run.tags['git.commit']} with changes in pipeline/ that were not "
            "committed then; if they have been since, name the commit: --commit"
        )


def configuration(run: FinishedRun, config: Mapping[str, Any], clone: Path) -> dict[str, Any]:
    """What the run was trained with, in full.

    Raises:
        PipelineError: it was trained on a GPU, and there is none.
    """
    device = run.params["hardware.device"]
    if device != "cpu" and not torch.cuda.is_available():
        raise PipelineError(f"run {run.run_id} was trained on a GPU, {device}; torch sees none here")
    composed = compose_config([], clone / "conf")
    values = {**{section: composed[section] for section in WITHOUT_EFFECT if section in composed}, **config}
    values["trainer"] = {
        **config["trainer"],
        "accelerator": "cpu" if device == "cpu" else "gpu",
        "precision": run.params["hardware.precision"],
        "threads": int(run.params["hardware.threads"]),
    }
    if ladder := config["evaluation"].get("memory_ladder"):  # a picture for the report, which git ignores
        values["evaluation"] = {**config["evaluation"], "memory_ladder": {**ladder, "fingerprint": None}}
    return values


def stages(run: FinishedRun, clone: Path) -> list[str]:
    """The stages that lead from the data to the run's metrics, in their order; no evaluation for what had none."""
    listed = yaml.safe_load((clone / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    evaluated = any(metric.startswith("test/") for metric in run.metrics)
    return [stage for stage in listed if stage not in NO_PART and (evaluated or stage != "evaluate")]


def perform(stage: str, clone: Path, commit: str) -> None:
    """Run a stage, and not what DVC may remember of it.

    Raises:
        PipelineError: it failed.
    """
    log.info("stage %s", stage)
    if not succeeds(clone, f"pipeline.{stage}"):
        raise PipelineError(f"stage {stage} failed at commit {commit[:12]}; what it said stands above")


def trained_again(tracking: TrackingConfig, store: Store, clone: Path) -> FinishedRun:
    """The new run, from the clone's own store.

    Raises:
        PipelineError: it is not there.
    """
    run_id = read_json(clone / "artifacts" / "run.json", RunOfAnyCommit, "the training did not end well").run_id
    with default_tracking_uri(replace(store, uri=store_uri(clone))):
        of_clone = connect(tracking)
    found = find_finished(of_clone, run_id)
    if found is None:
        raise PipelineError(f"the new run {run_id} did not end well; what it said stands above")
    return found


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number from 0 up")
    return value


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("run", metavar="RUN", help="id of a run, or a registered version")
    parser.add_argument("--commit", help="take the code of this commit instead of that of the run's")
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=0.0,
        help="for another machine: largest difference that counts as none, of the metrics of whole splits",
    )
    arguments = parser.parse_args()
    with tidy_exit():
        sys.exit(0 if main(arguments.run, arguments.commit, arguments.tolerance) else 1)
