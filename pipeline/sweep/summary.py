"""How a sweep ends: every trial accounted for, the best ones kept, and the parent run says what came out."""

import csv
import logging
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from pipeline.config import Config
from pipeline.report.plots import write_panels
from pipeline.runtime.errors import PipelineError
from pipeline.sweep import trial_folders
from pipeline.sweep.figure import panels
from pipeline.sweep.parent_run import (
    FOLDER_TAG,
    OBJECTIVE,
    TrialRun,
    close_sweep,
    end_trial,
    find_trials,
    latest_trials,
    log_sweep,
    ranked,
    remove_model,
)
from pipeline.sweep.search_space import short_keys
from pipeline.sweep.session import Session
from pipeline.sweep.trial_folders import trial_folder
from pipeline.tracking.store import Store, connect

COLUMNS = {
    "val_calibrated_loss": OBJECTIVE,
    "val_accuracy": "best/val_accuracy",
    "epoch": "best/epoch",
    "train_seconds": "speed/train_seconds",
}
OBJECTIVE_LABEL = "calibrated validation loss"
LOST = "its process ended without a word"

log = logging.getLogger(__name__)


def end_sweep(config: Config, session: Session, name: str, status: str) -> None:
    """Close the parent run: FINISHED, FAILED where the sweep or a trial failed, KILLED where it was stopped.

    Args:
        config: its tracking and sweep are used.
        session: the sweep.
        name: of the sweep, for people.
        status: how the command ended.

    Raises:
        PipelineError: trials failed: names them; or the store failed.
    """
    if status == "KILLED":
        try:
            store = connect(config.tracking)
            _end_running(store, session, "KILLED")
            close_sweep(store, session.run_id, "KILLED", {})
        except PipelineError as error:  # the interrupt is what the user should see
            log.warning("the sweep could not be closed in MLflow: %s", error)
        return
    store = connect(config.tracking)
    _end_running(store, session, "FAILED")
    every = find_trials(store, session.run_id)
    trials = latest_trials(every)
    failed = [trial for trial in trials if trial.status != "FINISHED"]
    description = describe(name, config.corpus.name, trials)
    _summarise(store, session, description, "FAILED" if failed else status, trials)
    _keep_best(store, session, every, trials, config.sweep.keep)
    print(format_table(trials))
    if failed:
        reasons = "; ".join(f"{trial.name} ({trial.error})" for trial in failed)
        raise PipelineError(
            f"{len(failed)} of {len(trials)} trials failed: {reasons}; the same command tries them again"
        )


def _end_running(store: Store, session: Session, status: str) -> None:
    for trial in find_trials(store, session.run_id):
        if trial.status == "RUNNING":
            end_trial(store, trial.run_id, status, LOST if status == "FAILED" else None)


def _summarise(store: Store, session: Session, description: str, status: str, trials: Sequence[TrialRun]) -> None:
    finished = ranked(trials)
    losses = [loss for trial in trials if (loss := trial.objective) is not None]
    metrics: dict[str, float] = {"sweep/trials": len(trials), "sweep/failed": len(trials) - len(finished)}
    tags = {}
    if finished:
        best = finished[0]
        metrics |= {key: value for key, value in best.metrics.items() if key.startswith("best/")}
        tags = {"best.run_id": best.run_id, "best.name": best.name}
    log_sweep(store, session.run_id, metrics, list(accumulate(losses, min)))
    with tempfile.TemporaryDirectory() as folder:
        table, picture = Path(folder) / "trials.csv", Path(folder) / "sweep.png"
        write_table(table, trials, session.searched)
        if finished:
            write_panels(picture, panels(losses, _values(trials, session.searched), OBJECTIVE_LABEL), columns=2)
        files = [file for file in (table, picture) if file.exists()]
        close_sweep(store, session.run_id, status, tags, description, files)


def _values(trials: Sequence[TrialRun], searched: Sequence[str]) -> dict[str, list[str]]:
    short, finished = short_keys(searched), [trial for trial in trials if trial.objective is not None]
    return {short[key]: [trial.values.get(key, "") for trial in finished] for key in searched}


def _keep_best(
    store: Store, session: Session, every: Sequence[TrialRun], trials: Sequence[TrialRun], keep: int | None
) -> None:
    if keep is None:
        return
    kept = {trial.run_id for trial in ranked(trials)[:keep]}
    for trial in every:
        if trial.run_id not in kept and FOLDER_TAG in trial.tags:  # it came so far as to have one
            try:
                trial_folders.remove_model(trial_folder(trial.tags[FOLDER_TAG], Path(session.folder)), trial.run_id)
            except (PipelineError, OSError) as error:
                log.warning("the model of trial %s stays: %s", trial.name, error)
            remove_model(store, trial.run_id)


def write_table(path: Path, trials: Sequence[TrialRun], searched: Sequence[str]) -> None:
    """A CSV file with a row for each trial."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", "status", *searched, *COLUMNS, "run_id", "error"])
        for trial in trials:
            numbers = [trial.metrics.get(metric, "") for metric in COLUMNS.values()]
            values = [trial.values.get(key, "") for key in searched]
            writer.writerow([trial.name, trial.status, *values, *numbers, trial.run_id, trial.error])


def format_table(trials: Sequence[TrialRun]) -> str:
    """The trials for a terminal: the best first, then those that failed."""
    width = max([len("trial"), *(len(trial.name) for trial in trials)])
    lines = [f"{'trial':{width}}  {'loss':>8}  {'accuracy':>8}  {'seconds':>8}"]
    for trial in ranked(trials):
        loss, accuracy, _, seconds = (trial.metrics.get(metric, float("nan")) for metric in COLUMNS.values())
        lines.append(f"{trial.name:{width}}  {loss:8.4f}  {accuracy:8.4f}  {seconds:8.1f}")
    lines += [f"{trial.name:{width}}  {trial.status.lower()}" for trial in trials if trial.objective is None]
    return "\n".join(lines)


def describe(name: str, corpus: str, trials: Sequence[TrialRun]) -> str:
    """What was searched and what came out, as Markdown for the parent's page."""
    finished = ranked(trials)
    lines = [f"**{name}** on `{corpus}`: {len(trials)} trials, {len(trials) - len(finished)} failed.", ""]
    if finished:
        loss, accuracy = (finished[0].metrics[COLUMNS[key]] for key in ("val_calibrated_loss", "val_accuracy"))
        lines += [f"Best: **{finished[0].name}**, {OBJECTIVE_LABEL} {loss:.4f}, accuracy {accuracy:.4f}.", ""]
    lines += [f"- {trial.name} failed: {trial.error}" for trial in trials if trial.objective is None]
    return "\n".join(lines)
