"""Drawing one figure each onto given axes. Colours are those of Okabe & Ito, told apart by everyone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from pipeline.config.labels import LABELS
from pipeline.evaluation.columns import Columns

MODEL, BASELINE, GUESS = "#0072B2", "#D55E00", "#999999"
NEGATIVE, POSITIVE = "#E69F00", "#0072B2"

Curves = Mapping[str, tuple[Columns, float | None]]
"""By system: its curve, and the area under it (None where undefined)."""


def draw_roc(axes: Axes, curves: Curves) -> None:
    """True against false positive rate, one line for each system."""
    axes.plot([0, 1], [0, 1], color=GUESS, linestyle=":", label="guessing")
    _draw_curves(axes, curves, "fpr", "tpr", area="AUC")
    _label(axes, _area_title("ROC", "AUC", curves), "false positive rate", "true positive rate")
    axes.legend(loc="lower right")


def draw_precision_recall(axes: Axes, curves: Curves) -> None:
    """Precision against recall, one line for each system."""
    _draw_curves(axes, curves, "recall", "precision", area="AP")
    _label(axes, _area_title("Precision and recall", "AP", curves), "recall", "precision")
    axes.legend(loc="lower left")


def draw_reliability(axes: Axes, table: Columns, ece: float) -> None:
    """Share of positive reviews against stated probability; the area of a point tells its number of reviews."""
    reviews = np.asarray(table["reviews"])
    axes.plot([0, 1], [0, 1], color=GUESS, linestyle=":", label="perfect")
    axes.plot(table["probability"], table["positive_share"], color=MODEL, label="model")
    axes.scatter(table["probability"], table["positive_share"], s=12 + 250 * reviews / reviews.max(), color=MODEL)
    for x, y, n in zip(table["probability"], table["positive_share"], reviews, strict=True):
        axes.annotate(f"{n:,.0f}", (x, y), (5, -13), textcoords="offset points", fontsize=7, color="#555555")
    axes.set_xlim(-0.05, 1.1)
    _label(axes, f"Reliability: calibration error {ece:.3f}", "stated probability", "share of positive reviews")
    axes.legend(loc="upper left")


def draw_confusion(axes: Axes, table: Columns, accuracy: float) -> None:
    """Number and share of reviews for each pair of actual and predicted label."""
    counts = np.array([[_count(table, actual, predicted) for predicted in LABELS] for actual in LABELS])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), n in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{n:,}\n{share:.1%}"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=11)
    axes.set_xticks([0, 1], LABELS)
    axes.set_yticks([0, 1], LABELS, rotation=90, va="center")
    axes.grid(visible=False)
    _label(axes, f"Confusion: accuracy {accuracy:.3f}", "predicted", "actual")


def draw_score_histogram(axes: Axes, table: Columns) -> None:
    """How the probabilities of either label are spread."""
    middles = np.asarray(table["probability"])
    width = middles[1] - middles[0]
    for label, colour in zip(LABELS, (NEGATIVE, POSITIVE), strict=True):
        axes.bar(middles, table[label], width, color=colour, alpha=0.65, label=f"{label} reviews")
    _label(axes, "Scores of either label", "probability of positive", "reviews")
    axes.legend(loc="upper center")


def draw_accuracy_by_length(axes: Axes, table: Columns) -> None:
    """Accuracy with its 95 % interval for each class of length."""
    accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
    positions = np.arange(len(accuracy))
    axes.errorbar(positions, accuracy, (accuracy - low, high - accuracy), fmt="o", color=MODEL, capsize=4)
    names = [_bounds(name) for name in table["value"]]
    axes.set_xticks(positions, [f"{name}\nn={n:,}" for name, n in zip(names, table["reviews"], strict=True)])
    axes.set_xlim(-0.5, len(positions) - 0.5)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"By length: {accuracy.min():.1%} to {accuracy.max():.1%}"
    _label(axes, title, "words in the review", "accuracy, 95 % interval")


def draw_slices(axes: Axes, table: Columns, overall: float) -> None:
    """Accuracy with its 95 % interval for each part of each slice, and a line at that of all reviews."""
    accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
    positions = np.arange(len(accuracy))
    axes.axvline(overall, color=GUESS, linestyle=":")
    axes.errorbar(accuracy, positions, xerr=(accuracy - low, high - accuracy), fmt="o", color=MODEL, capsize=3)
    names = [f"{_bounds(part[:40])}, n={n:,}" for part, n in zip(table["part"], table["reviews"], strict=True)]
    # values of the user's columns, in which a "$" is no mathematics
    axes.set_yticks(positions, names, fontsize=min(8, 200 / len(names)), parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"By part: {accuracy.min():.1%} to {accuracy.max():.1%}, {overall:.1%} on all"
    _label(axes, title, "accuracy, 95 % interval", "")


def draw_behaviour(axes: Axes, table: Columns) -> None:
    """Failure rate with its 95 % interval for each capability."""
    rate, low, high = (np.asarray(table[key]) for key in ("failure_rate", "low", "high"))
    positions = np.arange(len(rate))
    axes.barh(positions, rate, xerr=(rate - low, high - rate), color=MODEL, ecolor="#555555", capsize=2)
    names = [name.replace("_", " ") for name in table["capability"]]
    axes.set_yticks(positions, [f"{name} ({test})" for name, test in zip(names, table["test"], strict=True)])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"Behaviour: {sum(table['failures']):,} of {sum(table['cases']):,} cases failed"
    _label(axes, title, "failures, 95 % interval", "")


def draw_learning_curve(axes: Axes, table: Columns) -> None:
    """Training and validation loss after each epoch."""
    axes.plot(table["epoch"], table["train_loss"], color=BASELINE, marker="o", linestyle="--", label="train")
    axes.plot(table["epoch"], table["val_loss"], color=MODEL, marker="o", label="validation")
    calibrated = table["val_calibrated_loss"]
    axes.plot(table["epoch"], calibrated, color=MODEL, marker="o", linestyle=":", label="validation, calibrated")
    best = int(np.argmin(calibrated))
    accuracy, epoch = table["val_accuracy"][best], table["epoch"][best]
    _label(axes, f"Learning: {accuracy:.3f} on validation, epoch {epoch:.0f}", "epoch", "log loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")


def _bounds(name: str) -> str:
    return name.replace("up_to_", "≤ ").replace("over_", "> ")


def _draw_curves(axes: Axes, curves: Curves, x: str, y: str, area: str) -> None:
    for (name, (table, value)), colour, line in zip(curves.items(), (MODEL, BASELINE), ("-", "--"), strict=False):
        size = "undefined" if value is None else f"{value:.3f}"
        axes.plot(table[x], table[y], color=colour, linestyle=line, label=f"{name}, {area} {size}")


def _area_title(name: str, area: str, curves: Curves) -> str:
    value = next(iter(curves.values()))[1]
    return f"{name}: undefined, one label only" if value is None else f"{name}: {area} {value:.3f}"


def _count(table: Columns, actual: str, predicted: str) -> int:
    matches: NDArray[Any] = (np.asarray(table["actual"]) == actual) & (np.asarray(table["predicted"]) == predicted)
    return int(matches.sum())


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
