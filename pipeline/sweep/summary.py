"""End of a sweep: the status of each trial, the models to keep, and what the parent run shows of the result."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from pipeline.config.schema import Config
from pipeline.report.colours import GUESS_COLOUR, MODEL_COLOUR
from pipeline.report.figure_files import write_panels
from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError
from pipeline.sweep.folds import (
    FOLD_KEY,
    FoldAnswers,
    folds_table,
    format_folds,
    parent_metrics,
    read_answers,
    write_answers,
    write_metrics,
)
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
    remove_model_artifact,
)
from pipeline.sweep.search_space import short_keys
from pipeline.sweep.session import Session
from pipeline.sweep.trial_folders import remove_model_folder, trial_folder
from pipeline.tables.csv_lines import csv_text
from pipeline.tracking.run import ERROR_TAG
from pipeline.tracking.store import Store, connect
from pipeline.tracking.unsent import send_unsent

TRIAL_METRICS = {
    "val_calibrated_loss": OBJECTIVE,
    "val_accuracy": "val/accuracy",
    "val_objective": "val/objective",
    "epoch": "train/best_epoch",
    "train_seconds": "speed/train_seconds",
}
"""Metrics of the tables, by column; `val_objective` only if the labels are chosen for another metric than accuracy."""
HEADINGS = {
    "val_calibrated_loss": "loss",
    "val_accuracy": "accuracy",
    "val_objective": "objective",
    "train_seconds": "seconds",
}
"""Columns of the table in the terminal."""
OBJECTIVE_LABEL = "calibrated validation loss"
LOST = "its process ended without an error message"
NOT_SENT = "not sent yet, what it logged waits in .unsent/"
PREDICTIONS_OF_FOLDS = "out_of_fold.csv"
"""File in the folder of a sweep over folds."""
MAX_TABLE = 5000
"""Largest number of characters of the table of folds in the sweep's description."""
MAX_COUNT = 50
"""Characters kept in the description for the line that counts the failures it does not name."""
MAX_PANELS = 6
"""Panels for searched keys in the picture."""
MAX_TICKS = 6
"""Up to this many different numbers, each is a tick of the axis."""
LOG_SCALE_RATIO = 20
"""From this ratio of the largest to the smallest value on, the axis is logarithmic."""

log = logging.getLogger(__name__)


def end_sweep(config: Config, session: Session, name: str, status: str) -> None:
    """Close the parent run: FINISHED, FAILED if the sweep or a trial failed, KILLED if it was stopped.

    Args:
        config: its sections `tracking` and `sweep` are used.
        session: the sweep.
        name: the sweep's name.
        status: how the command ended.

    Raises:
        PipelineError: trials failed, and the message lists them; or the store failed.
    """
    if status == "KILLED":
        try:
            store = connect(config.tracking)
            _end_running(store, session, "KILLED")
            close_sweep(store, session.run_id, "KILLED", {})
        except PipelineError as error:  # must not hide the interrupt from the user
            log.warning("the sweep could not be closed in MLflow: %s", error)
        return
    store = connect(config.tracking)
    waiting = _end_running(store, session, "FAILED")
    every = find_trials(store, session.run_id)
    trials = [
        replace(trial, tags={**trial.tags, ERROR_TAG: NOT_SENT}) if trial.run_id in waiting else trial
        for trial in latest_trials(every, rerun=config.sweep.rerun)
    ]
    failed = [trial for trial in trials if trial.status != "FINISHED"]
    folds = FOLD_KEY in session.searched
    answered = read_answers(store, trials, config) if folds else []
    predictions = Path(session.folder) / PREDICTIONS_OF_FOLDS
    if answered:
        write_answers(predictions, answered, config.corpus.classes)
        table = format_folds(answered, config.training.folds or 0)
    of_folds = folds_table(answered, config.training.folds or 0, MAX_TABLE) if answered else ""
    description = describe(name, config.corpus.name, trials, folds=folds, table=of_folds)
    _summarise_trials(store, session, description, "FAILED" if failed else status, trials, answered)
    sent = [trial for trial in every if trial.run_id not in waiting]
    _keep_best(store, session, sent, trials, config.sweep.keep)
    print(format_table(trials))
    if answered:
        print(f"\n{table}\nout-of-fold predictions, {sum(len(each.answers) for each in answered):,}: {predictions}")
    if failed:
        reasons = "; ".join(f"{trial.name} ({trial.error})" for trial in failed)
        outcome = "failed or are not sent yet" if any(trial.error == NOT_SENT for trial in failed) else "failed"
        raise PipelineError(
            f"{len(failed)} of {len(trials)} trials {outcome}: {reasons}; run the same command to try them again"
        )


def _end_running(store: Store, session: Session, status: str) -> set[str]:
    """End the trials that run no more, and return the ids of the runs that have ended in `.unsent/` but not in MLflow.

    What waits there is sent first, which also ends the runs of trials whose processes were killed, but gives no reason.
    """
    running = {trial.run_id for trial in find_trials(store, session.run_id) if trial.status == "RUNNING"}
    waiting = {folder.name for folder in send_unsent(store)}
    for trial in find_trials(store, session.run_id):
        if trial.run_id in running - waiting and trial.status in ("RUNNING", "KILLED"):
            end_trial(store, trial.run_id, status, LOST if status == "FAILED" else None)
    return waiting


def _summarise_trials(
    store: Store,
    session: Session,
    description: str,
    status: str,
    trials: Sequence[TrialRun],
    answered: Sequence[FoldAnswers],
) -> None:
    finished = ranked(trials)
    losses = [loss for trial in trials if (loss := trial.objective) is not None]
    metrics: dict[str, float] = {"sweep/trials": len(trials), "sweep/failed": len(trials) - len(finished)}
    tags = {}
    if finished:
        best = finished[0]
        if answered:
            metrics |= parent_metrics(answered)
        else:
            metrics |= {key: value for key, value in best.metrics.items() if key in TRIAL_METRICS.values()}
            tags = {"best.run_id": best.run_id, "best.name": best.name}
    log_sweep(store, session.run_id, metrics, list(accumulate(losses, min)))
    with tempfile.TemporaryDirectory() as folder:
        table, picture = Path(folder) / "trials.csv", Path(folder) / "sweep.png"
        write_table(table, trials, session.searched)
        if finished:
            write_panels(picture, sweep_panels(losses, _finished_values(trials, session.searched)), columns=2)
        by_fold = Path(folder) / "folds.csv"
        if answered:
            write_metrics(by_fold, answered)
        files = [
            file for file in (table, picture, by_fold, Path(session.folder) / PREDICTIONS_OF_FOLDS) if file.exists()
        ]
        close_sweep(store, session.run_id, status, tags, description, files)


def _finished_values(trials: Sequence[TrialRun], searched: Sequence[str]) -> dict[str, list[str]]:
    short, finished = short_keys(searched), [trial for trial in trials if trial.objective is not None]
    return {short[key]: [trial.values.get(key, "") for trial in finished] for key in searched}


def _keep_best(
    store: Store, session: Session, every: Sequence[TrialRun], trials: Sequence[TrialRun], keep: int | None
) -> None:
    if keep is None:
        return
    best = {trial.run_id for trial in ranked(trials)[:keep]}
    for trial in every:
        if trial.run_id not in best and FOLDER_TAG in trial.tags:  # else it ended before it had a folder
            try:
                remove_model_folder(trial_folder(trial.tags[FOLDER_TAG], Path(session.folder)), trial.run_id)
            except (PipelineError, OSError) as error:
                log.warning("the model of trial %s is kept: %s", trial.name, error)
                continue
            remove_model_artifact(store, trial.run_id)


def write_table(path: Path, trials: Sequence[TrialRun], searched: Sequence[str]) -> None:
    """Write a CSV file with one row for each trial."""
    rows, metrics = [], _metrics_of(trials)
    for trial in trials:
        numbers = [trial.metrics.get(metric, "") for metric in metrics.values()]
        values = [trial.values.get(key, "") for key in searched]
        rows.append([trial.name, trial.status, *values, *numbers, trial.run_id, trial.error])
    write_text(path, csv_text(["trial", "status", *searched, *metrics, "run_id", "error"], rows))


def format_table(trials: Sequence[TrialRun]) -> str:
    """Format the trials for a terminal: the finished ones, best first, then the others."""
    width = max([len("trial"), *(len(trial.name) for trial in trials)])
    columns = {name: key for key, name in HEADINGS.items() if key in _metrics_of(trials)}
    lines = [f"{'trial':{width}}" + "".join(f"  {name:>9}" for name in columns)]
    for trial in ranked(trials):
        values = (trial.metrics.get(TRIAL_METRICS[key], float("nan")) for key in columns.values())
        cells = (f"  {value:9.{1 if name == 'seconds' else 4}f}" for name, value in zip(columns, values, strict=True))
        lines.append(f"{trial.name:{width}}" + "".join(cells))
    lines += [f"{trial.name:{width}}  {trial.status.lower()}" for trial in trials if trial.objective is None]
    return "\n".join(lines)


def _metrics_of(trials: Sequence[TrialRun]) -> dict[str, str]:
    """Return the metrics of the tables that trials have, by column."""
    lacking = {"val_objective"} if not any("val/objective" in trial.metrics for trial in trials) else set()
    return {column: metric for column, metric in TRIAL_METRICS.items() if column not in lacking}


def describe(name: str, corpus: str, trials: Sequence[TrialRun], *, folds: bool = False, table: str = "") -> str:
    """Describe a sweep in Markdown, for the page of the parent run.

    Args:
        name: the sweep's name.
        corpus: name of the corpus.
        trials: each once.
        folds: the trials are folds, of which none is named as the best.
        table: metrics of the folds, of at most `MAX_TABLE` characters.

    Returns:
        text of at most `MAX_TAG_VAL_LENGTH` characters, MLflow's limit: failures beyond that are only counted.
    """
    finished = ranked(trials)
    lines = [f"**{name}** on `{corpus}`: {len(trials)} trials, {len(trials) - len(finished)} failed.", ""]
    if finished and not folds:
        loss, accuracy = (finished[0].metrics[TRIAL_METRICS[key]] for key in ("val_calibrated_loss", "val_accuracy"))
        lines += [f"Best: **{finished[0].name}**, {OBJECTIVE_LABEL} {loss:.4f}, accuracy {accuracy:.4f}.", ""]
    if table:
        lines += [table, ""]
    failures = [f"- {trial.name} failed: {trial.error}" for trial in trials if trial.objective is None]
    text = "\n".join([*lines, *failures])
    if len(text) <= MAX_TAG_VAL_LENGTH:
        return text
    room = MAX_TAG_VAL_LENGTH - len("\n".join(lines)) - MAX_COUNT
    named = sum(length <= room for length in accumulate(len(failure) + 1 for failure in failures))
    return "\n".join([*lines, *failures[:named], f"- … and {len(failures) - named:,} more, in trials.csv"])


def sweep_panels(losses: Sequence[float], values: Mapping[str, Sequence[str]]) -> list[Callable[[Axes], None]]:
    """Return the drawing functions of the picture's panels, from left to right.

    Args:
        losses: losses of the finished trials, in the order in which they started.
        values: values of these trials, by searched key.
    """
    slices = [partial(_draw_slice, losses=losses, key=key, values=values[key]) for key in list(values)[:MAX_PANELS]]
    return [partial(_draw_best_so_far, losses=losses), *slices]


def _draw_best_so_far(axes: Axes, losses: Sequence[float]) -> None:
    trials = np.arange(1, len(losses) + 1)
    axes.plot(trials, losses, "o", color=MODEL_COLOUR, alpha=0.6, label="trial")
    axes.step(trials, np.minimum.accumulate(losses), where="post", color=GUESS_COLOUR, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Best so far", xlabel="trial", ylabel=OBJECTIVE_LABEL)
    axes.legend(loc="best")


def _draw_slice(axes: Axes, losses: Sequence[float], key: str, values: Sequence[str]) -> None:
    """Plot the loss of each trial over its value of one key: numbers on a scale, anything else as categories."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        names = sorted(set(values))
        axes.plot([names.index(value) for value in values], losses, "o", color=MODEL_COLOUR, alpha=0.6)
        axes.set_xticks(range(len(names)), names, rotation=20 if len(names) > 3 else 0)
        axes.set_xlim(-0.5, len(names) - 0.5)
    else:
        axes.plot(numbers, losses, "o", color=MODEL_COLOUR, alpha=0.6)
        if min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_SCALE_RATIO:
            axes.set_xscale("log")
        ticks = sorted(set(numbers))
        if len(ticks) <= MAX_TICKS:
            axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.set(title=key, xlabel=key)
