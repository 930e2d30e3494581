"""Cross-validation as a sweep over `training.fold`: its checks, and the metrics over all folds."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config.schema import Config
from pipeline.evaluation.metrics import HEADLINE, METRICS, MetricValues
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.summary import split_metrics
from pipeline.report.formatting import markdown_table, mean_with_deviation
from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import DATASET
from pipeline.sweep.parent_run import TrialRun
from pipeline.sweep.search_space import SearchSpace, short_keys
from pipeline.tables.csv_lines import csv_text
from pipeline.tables.parquet import open_parquet
from pipeline.tracking.finished_runs import download_folder
from pipeline.tracking.store import Store
from pipeline.training.folds import OUT_OF_FOLD, read_fold, rule_of

FOLD_KEY = "training.fold"

log = logging.getLogger(__name__)


def require_folds(space: SearchSpace, config: Config) -> None:
    """Refuse a search over folds that cannot be drawn, before anything of it is recorded; warn of folds left out.

    Args:
        space: the search space.
        config: composed without the searched values.

    Raises:
        PipelineError: the folds are not numbers from 1 to the number of folds, or a fold would lack a class.
    """
    if FOLD_KEY not in space.searched:
        return
    folds, searched = config.training.folds, space.searched[FOLD_KEY]
    if folds is None or "training.folds" in space.searched:
        raise PipelineError(f"{FOLD_KEY}: the folds of how many? Give one number for all trials, as training.folds=5")
    if not searched.is_discrete_sweep():
        raise PipelineError(f"{searched.input_line}: a fold is a number; search {FOLD_KEY}=range(1,{folds + 1})")
    chosen = set(space.values(FOLD_KEY))
    every = set(range(1, folds + 1))
    if chosen - every:
        raise PipelineError(
            f"{searched.input_line}: training.folds is {folds}; search '{FOLD_KEY}=range(1,{folds + 1})', all of them"
        )
    if chosen < every:
        log.warning(
            "only %d of %d folds are trained: the others' reviews get no answer; '%s=range(1,%d)' trains all",
            *(len(chosen), folds, FOLD_KEY, folds + 1),
        )
    read_fold(DATASET, config.training)


@dataclass(frozen=True)
class FoldAnswers:
    """Answers of a finished trial for the reviews of its fold."""

    setting: str
    """The trial's other searched values, such as `lr=0.001`; empty where only folds are searched."""
    fold: int
    run_id: str
    answers: pa.Table
    """Table of the file that `pipeline.training.folds` describes."""
    metrics: MetricValues

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Probability of each class [n, classes]."""
        return probabilities_of(self.answers)


def probabilities_of(answers: pa.Table) -> NDArray[np.float32]:
    """Return the probability of each class [n, classes] of the answers for a fold."""
    return np.array(answers["probabilities"].to_pylist(), np.float32)


def read_answers(store: Store, trials: Sequence[TrialRun], config: Config) -> list[FoldAnswers]:
    """Read the answers of the finished trials from MLflow, also of those that finished under an earlier command.

    Args:
        store: where the trials are.
        trials: the trials of the sweep, each once.
        config: its classes and the number of bins of the calibration error are used.

    Returns:
        the answers by setting, in the order of the trials, and by fold.

    Raises:
        PipelineError: the answers are missing or damaged, or the store failed.
    """
    answered = []
    with tempfile.TemporaryDirectory() as folder:
        for trial in trials:
            if trial.objective is None:
                continue
            values = trial.values
            fold = int(values.pop(FOLD_KEY))
            path = download_folder(store, trial.run_id, OUT_OF_FOLD, Path(folder) / trial.run_id)
            with open_parquet(path, "train the trial again with sweep.rerun=true") as file:
                answers = file.read()
            metrics = _metrics(answers, trial.name, config)
            answered.append(FoldAnswers(setting_of(values), fold, trial.run_id, answers, metrics))
    settings = list(dict.fromkeys(each.setting for each in answered))
    return sorted(answered, key=lambda each: (settings.index(each.setting), each.fold))


def setting_of(values: Mapping[str, str]) -> str:
    """Return the searched values as they were written, so that no two settings are one."""
    short = short_keys(values)
    return " ".join(f"{short[key]}={value}" for key, value in values.items())


def _metrics(answers: pa.Table, name: str, config: Config) -> MetricValues:
    scored = ScoredSplit(
        split=name,
        rows=answers.select(["id", "label"]),
        labels=answers["label"].to_numpy(),
        words=np.zeros(len(answers), np.int64),
        classes=config.corpus.classes,
        probabilities=probabilities_of(answers),
        rule=rule_of(answers),
        ordered=config.corpus.in_order,
    )
    return split_metrics(scored, name, config.evaluation)


def mean_and_deviation(answered: Sequence[FoldAnswers]) -> dict[str, tuple[float, float | None] | None]:
    """Return mean and standard deviation over the folds of each headline metric.

    The deviation, of a sample, is None for a single fold. A metric that is undefined in a fold is None.
    """
    summary: dict[str, tuple[float, float | None] | None] = {}
    for key in HEADLINE:
        values = [each.metrics[key] for each in answered if key in each.metrics]
        if None in values:
            summary[key] = None
        elif values:
            summary[key] = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
    return summary


def by_setting(answered: Sequence[FoldAnswers]) -> dict[str, list[FoldAnswers]]:
    """Return the answers of each setting; that with the lowest mean log loss comes first."""
    settings: dict[str, list[FoldAnswers]] = {}
    for each in answered:
        settings.setdefault(each.setting, []).append(each)
    losses = {setting: np.mean([each.metrics["log_loss"] for each in answers]) for setting, answers in settings.items()}
    return {setting: settings[setting] for setting in sorted(settings, key=losses.__getitem__)}


def parent_metrics(answered: Sequence[FoldAnswers]) -> dict[str, float]:
    """Return the metrics of the parent run: the brief ones over the folds of the best setting."""
    best = next(iter(by_setting(answered).values()))
    metrics: dict[str, float] = {"kfold/folds": len(best)}
    for key, value in mean_and_deviation(best).items():
        if value is not None and (METRICS[key].brief or METRICS[key].objective):
            mean, deviation = value
            metrics |= {f"kfold/{key}_mean": mean} | ({} if deviation is None else {f"kfold/{key}_sd": deviation})
    return metrics


def format_folds(answered: Sequence[FoldAnswers], folds: int) -> str:
    """Format mean and standard deviation of each setting for a terminal, the best setting first."""
    width = max(len(metric.name) for metric in HEADLINE.values())
    lines = []
    for setting, answers in by_setting(answered).items():
        of_all = f"{folds} folds" if len(answers) == folds else f"{len(answers)} of {folds} folds"
        lines.append(f"{setting}: " * bool(setting) + f"mean ± standard deviation of {of_all}")
        for key, value in mean_and_deviation(answers).items():
            lines.append(f"  {HEADLINE[key].name:{width}}  {mean_with_deviation(*(value or (None, None)))}")
    return "\n".join(lines)


def folds_table(answered: Sequence[FoldAnswers], folds: int, longest: int) -> str:
    """Format mean and standard deviation of each setting as a table in Markdown, the best setting first.

    Args:
        answered: answers of all trials.
        folds: number of folds.
        longest: number of characters; the worst settings that would exceed it are only counted.
    """
    settings = by_setting(answered)
    summaries = [mean_and_deviation(answers) for answers in settings.values()]
    keys = list(dict.fromkeys(key for summary in summaries for key in summary))
    columns = [["mean ± standard deviation", *(HEADLINE[key].name for key in keys)]]
    for (setting, answers), summary in zip(settings.items(), summaries, strict=True):
        heading = f"{setting}: " * bool(setting) + f"{len(answers)} of {folds} folds"
        columns.append([heading, *(mean_with_deviation(*(summary.get(key) or (None, None))) for key in keys)])
    for shown in range(len(settings), -1, -1):
        header, *rows = zip(*columns[: shown + 1], strict=True)
        table = markdown_table(header, rows)
        if left_out := len(settings) - shown:
            table += f"\n\n… and {left_out} more settings, in folds.csv"
        if len(table) <= longest:
            break
    return table


def write_answers(path: Path, answered: Sequence[FoldAnswers], classes: Sequence[str]) -> None:
    """Write the out-of-fold predictions of all trials, with the names of classes, to one CSV file."""
    probability_columns = ["probability"] if len(classes) == 2 else [f"probability_{name}" for name in classes]
    rows = []
    for each in answered:
        table = each.answers
        probabilities = each.probabilities[:, 1:] if len(classes) == 2 else each.probabilities
        columns = (table[name].to_pylist() for name in ("id", "label", "predicted"))
        for (review, label, predicted), values in zip(zip(*columns, strict=True), probabilities, strict=True):
            rows.append([each.setting, each.fold, review, classes[label], classes[predicted], *map(str, values)])
    write_text(path, csv_text(["setting", "fold", "id", "label", "predicted", *probability_columns], rows))


def write_metrics(path: Path, answered: Sequence[FoldAnswers]) -> None:
    """Write the metrics of each fold of each setting to a CSV file."""
    keys = [key for key in HEADLINE if key in answered[0].metrics]
    rows = [
        [each.setting, each.fold, each.metrics["reviews"], *(each.metrics[key] for key in keys), each.run_id]
        for each in answered
    ]
    write_text(path, csv_text(["setting", "fold", "reviews", *keys, "run_id"], rows))
