"""Curves: ROC, precision-recall and learning curve."""

from collections.abc import Mapping
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.evaluation.columns import Columns
from pipeline.report.colours import BASELINE_COLOUR, CLASS_COLOURS, GUESS_COLOUR, MODEL_COLOUR

CLASS_LINES = tuple(product(("-", "--"), CLASS_COLOURS))
"""Line style and colour of each class where more than two have a line each."""
SYSTEM_LINES = ((MODEL_COLOUR, "-"), (BASELINE_COLOUR, "--"))
"""Colour and line style of the model and of the baseline."""

Curves = Mapping[str, tuple[Columns, float | None]]
"""Curve and area under it (None where undefined), by system."""


def draw_roc(axes: Axes, curves: Curves) -> None:
    """Draw the true against the false positive rate, one line for each system."""
    axes.plot([0, 1], [0, 1], color=GUESS_COLOUR, linestyle=":", label="guessing")
    _draw_curves(axes, curves, "fpr", "tpr", area="AUC")
    axes.set(title=_area_title("ROC curve", "AUC", curves), xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")


def draw_precision_recall(axes: Axes, curves: Curves) -> None:
    """Draw precision against recall, one line for each system."""
    _draw_curves(axes, curves, "recall", "precision", area="AP")
    axes.set(title=_area_title("Precision-recall curve", "AP", curves), xlabel="recall", ylabel="precision")
    axes.legend(loc="lower left")


def draw_mean_precision_recall(
    axes: Axes, means: Mapping[str, Columns], by_class: Columns, names: Mapping[str, str]
) -> None:
    """Draw precision against recall: the mean over the classes for each system, and the model's of each class."""
    draw_class_curves(axes, by_class, "recall", "precision", names)
    for (name, table), (colour, line) in zip(means.items(), SYSTEM_LINES, strict=False):
        axes.plot(table["recall"], table["precision"], color=colour, linestyle=line, label=name)
    axes.set(title="Precision-recall curve of each class", xlabel="recall", ylabel="precision")
    axes.legend(loc="lower left")


def draw_class_curves(axes: Axes, table: Columns, x: str, y: str, names: Mapping[str, str]) -> None:
    """Draw a thin line for each class, unless there are too many to tell apart.

    Args:
        axes: where to draw.
        table: points of all curves, with the columns `class`, `x` and `y`.
        x: name of a column.
        y: name of a column.
        names: as figures show them, by class.
    """
    if len(names) > len(CLASS_LINES):
        return
    of_class = np.asarray(table["class"])
    for (name, label), (line, colour) in zip(names.items(), CLASS_LINES, strict=False):
        if (members := of_class == name).any():
            points = (np.asarray(table[axis])[members] for axis in (x, y))
            axes.plot(*points, color=colour, linestyle=line, linewidth=1, label=label)


def draw_learning_curve(axes: Axes, table: Columns) -> None:
    """Draw training and validation loss after each epoch."""
    axes.plot(table["epoch"], table["train_loss"], color=BASELINE_COLOUR, marker="o", linestyle="--", label="train")
    axes.plot(table["epoch"], table["val_loss"], color=MODEL_COLOUR, marker="o", label="validation")
    calibrated = table["val_calibrated_loss"]
    axes.plot(table["epoch"], calibrated, color=MODEL_COLOUR, marker="o", linestyle=":", label="validation, calibrated")
    best = int(np.argmin(calibrated))
    accuracy, epoch = table["val_accuracy"][best], table["epoch"][best]
    axes.set(
        title=f"Learning curve: {accuracy:.3f} on validation, epoch {epoch:.0f}", xlabel="epoch", ylabel="log loss"
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")


def _draw_curves(axes: Axes, curves: Curves, x: str, y: str, area: str) -> None:
    for (name, (table, value)), (colour, line) in zip(curves.items(), SYSTEM_LINES, strict=False):
        size = "undefined" if value is None else f"{value:.3f}"
        axes.plot(table[x], table[y], color=colour, linestyle=line, label=f"{name}, {area} {size}")


def _area_title(name: str, area: str, curves: Curves) -> str:
    value = next(iter(curves.values()))[1]
    return f"{name}: undefined, one label only" if value is None else f"{name}: {area} {value:.3f}"
