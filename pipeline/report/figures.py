"""The figures of an evaluation, each drawn onto the axes it is given.

Colours are those of Okabe & Ito, which people with a colour vision deficiency can tell apart.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from pipeline.config.evaluation import LENGTH
from pipeline.config.labels import LABELS
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import rows_of_slice
from pipeline.report.formatting import count, edge, percent, readable
from pipeline.report.plot_tables import precision_recall_table, roc_table
from pipeline.report.plots import Draw

MODEL_COLOUR, BASELINE_COLOUR, GUESS_COLOUR = "#0072B2", "#D55E00", "#999999"
LABEL_COLOURS = ("#E69F00", "#0072B2")
"""In the order of `LABELS`."""

Curves = Mapping[str, tuple[Columns, float | None]]
"""Curve and area under it (None where undefined), by system."""


def drawings(
    tables: Mapping[str, Columns], baseline: ScoredSplit | None, learning_curve: Columns, metrics: Mapping[str, Any]
) -> dict[str, Draw]:
    """Return the function that draws each figure, by file name.

    Args:
        tables: of the model, from `plot_tables`; `slices`; `behaviour`, which may have no rows.
        baseline: the baseline's answers on the test split.
        learning_curve: from `read_learning_curve`.
        metrics: content of `reports/metrics.json`.
    """
    test = metrics["test"]
    roc = {"model": (tables["roc"], test["roc_auc"])}
    precision_recall = {"model": (tables["precision_recall"], test["average_precision"])}
    if baseline is not None:
        roc["baseline"] = (roc_table(baseline), metrics["baseline"]["roc_auc"])
        precision_recall["baseline"] = (precision_recall_table(baseline), metrics["baseline"]["average_precision"])
    by_length = rows_of_slice(tables["slices"], LENGTH)
    behaviour = {"behaviour": lambda axes: draw_behaviour(axes, tables["behaviour"])}
    return {
        "roc": lambda axes: draw_roc(axes, roc),
        "precision_recall": lambda axes: draw_precision_recall(axes, precision_recall),
        "reliability": lambda axes: draw_reliability(axes, tables["reliability"], test["ece"]),
        "confusion": lambda axes: draw_confusion(axes, tables["confusion"], test["accuracy"]),
        "score_histogram": lambda axes: draw_score_histogram(axes, tables["score_histogram"]),
        "accuracy_by_length": lambda axes: draw_accuracy_by_length(axes, by_length),
        "slices": lambda axes: draw_slices(axes, tables["slices"], test["accuracy"]),
        "learning_curve": lambda axes: draw_learning_curve(axes, learning_curve),
        **(behaviour if len(tables["behaviour"]["capability"]) else {}),
    }


def draw_roc(axes: Axes, curves: Curves) -> None:
    """Draw the true against the false positive rate, one line for each system."""
    axes.plot([0, 1], [0, 1], color=GUESS_COLOUR, linestyle=":", label="guessing")
    _draw_curves(axes, curves, "fpr", "tpr", area="AUC")
    _label(axes, _area_title("ROC", "AUC", curves), "false positive rate", "true positive rate")
    axes.legend(loc="lower right")


def draw_precision_recall(axes: Axes, curves: Curves) -> None:
    """Draw precision against recall, one line for each system."""
    _draw_curves(axes, curves, "recall", "precision", area="AP")
    _label(axes, _area_title("Precision and recall", "AP", curves), "recall", "precision")
    axes.legend(loc="lower left")


def draw_reliability(axes: Axes, table: Columns, ece: float) -> None:
    """Draw the share of positive reviews against the stated probability; a point's area shows its number of reviews."""
    reviews = np.asarray(table["reviews"])
    axes.plot([0, 1], [0, 1], color=GUESS_COLOUR, linestyle=":", label="perfect")
    axes.plot(table["probability"], table["positive_share"], color=MODEL_COLOUR, label="model")
    axes.scatter(
        table["probability"], table["positive_share"], s=12 + 250 * reviews / reviews.max(), color=MODEL_COLOUR
    )
    for x, y, n in zip(table["probability"], table["positive_share"], reviews, strict=True):
        axes.annotate(count(n), (x, y), (5, -13), textcoords="offset points", fontsize=7, color="#555555")
    axes.set_xlim(-0.05, 1.1)
    _label(axes, f"Reliability: calibration error {ece:.3f}", "stated probability", "share of positive reviews")
    axes.legend(loc="upper left")


def draw_confusion(axes: Axes, table: Columns, accuracy: float) -> None:
    """Draw the number and share of reviews for each pair of actual and predicted label."""
    counts = np.array([[_matches(table, actual, predicted) for predicted in LABELS] for actual in LABELS])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), n in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{count(n)}\n{percent(share)}"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=11)
    axes.set_xticks([0, 1], LABELS)
    axes.set_yticks([0, 1], LABELS, rotation=90, va="center")
    axes.grid(visible=False)
    _label(axes, f"Confusion: accuracy {accuracy:.3f}", "predicted", "actual")


def draw_score_histogram(axes: Axes, table: Columns) -> None:
    """Draw the distribution of the probabilities for each label."""
    middles = np.asarray(table["probability"])
    width = middles[1] - middles[0]
    for label, colour in zip(LABELS, LABEL_COLOURS, strict=True):
        axes.bar(middles, table[label], width, color=colour, alpha=0.65, label=f"{label} reviews")
    _label(axes, "Scores by label", "probability of positive", "reviews")
    axes.legend(loc="upper center")


def draw_accuracy_by_length(axes: Axes, table: Columns) -> None:
    """Draw the accuracy with its 95 % interval for each length class."""
    accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
    positions = np.arange(len(accuracy))
    axes.errorbar(positions, accuracy, (accuracy - low, high - accuracy), fmt="o", color=MODEL_COLOUR, capsize=4)
    names = [edge(name) for name in table["value"]]
    axes.set_xticks(positions, [f"{name}\nn={count(n)}" for name, n in zip(names, table["reviews"], strict=True)])
    axes.set_xlim(-0.5, len(positions) - 0.5)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"By length: {percent(accuracy.min())} to {percent(accuracy.max())}"
    _label(axes, title, "words in the review", "accuracy, 95 % interval")


def draw_slices(axes: Axes, table: Columns, overall: float) -> None:
    """Draw the accuracy with its 95 % interval for each part of each slice, and a line at that of all reviews."""
    accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
    positions = np.arange(len(accuracy))
    axes.axvline(overall, color=GUESS_COLOUR, linestyle=":")
    axes.errorbar(accuracy, positions, xerr=(accuracy - low, high - accuracy), fmt="o", color=MODEL_COLOUR, capsize=3)
    names = [f"{edge(part[:40])}, n={count(n)}" for part, n in zip(table["part"], table["reviews"], strict=True)]
    # Values of the user's columns: a "$" in them starts no formula.
    axes.set_yticks(positions, names, fontsize=min(8, 200 / len(names)), parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"By part: {percent(accuracy.min())} to {percent(accuracy.max())}, {percent(overall)} on all"
    _label(axes, title, "accuracy, 95 % interval", "")


def draw_behaviour(axes: Axes, table: Columns) -> None:
    """Draw the failure rate with its 95 % interval for each capability."""
    rate, low, high = (np.asarray(table[key]) for key in ("failure_rate", "low", "high"))
    positions = np.arange(len(rate))
    axes.barh(positions, rate, xerr=(rate - low, high - rate), color=MODEL_COLOUR, ecolor="#555555", capsize=2)
    names = [readable(name) for name in table["capability"]]
    axes.set_yticks(positions, [f"{name} ({test})" for name, test in zip(names, table["test"], strict=True)])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"Behaviour: {count(sum(table['failures']))} of {count(sum(table['cases']))} cases failed"
    _label(axes, title, "failures, 95 % interval", "")


def draw_learning_curve(axes: Axes, table: Columns) -> None:
    """Draw training and validation loss after each epoch."""
    axes.plot(table["epoch"], table["train_loss"], color=BASELINE_COLOUR, marker="o", linestyle="--", label="train")
    axes.plot(table["epoch"], table["val_loss"], color=MODEL_COLOUR, marker="o", label="validation")
    calibrated = table["val_calibrated_loss"]
    axes.plot(table["epoch"], calibrated, color=MODEL_COLOUR, marker="o", linestyle=":", label="validation, calibrated")
    best = int(np.argmin(calibrated))
    accuracy, epoch = table["val_accuracy"][best], table["epoch"][best]
    _label(axes, f"Learning: {accuracy:.3f} on validation, epoch {epoch:.0f}", "epoch", "log loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")


def _draw_curves(axes: Axes, curves: Curves, x: str, y: str, area: str) -> None:
    for (name, (table, value)), colour, line in zip(
        curves.items(), (MODEL_COLOUR, BASELINE_COLOUR), ("-", "--"), strict=False
    ):
        size = "undefined" if value is None else f"{value:.3f}"
        axes.plot(table[x], table[y], color=colour, linestyle=line, label=f"{name}, {area} {size}")


def _area_title(name: str, area: str, curves: Curves) -> str:
    value = next(iter(curves.values()))[1]
    return f"{name}: undefined, one label only" if value is None else f"{name}: {area} {value:.3f}"


def _matches(table: Columns, actual: str, predicted: str) -> int:
    matches: NDArray[Any] = (np.asarray(table["actual"]) == actual) & (np.asarray(table["predicted"]) == predicted)
    return int(matches.sum())


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
