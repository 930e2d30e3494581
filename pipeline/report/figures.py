"""The figures of an evaluation, each drawn onto the axes it is given.

Colours are those of Okabe & Ito, which people with a colour vision deficiency can tell apart.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.config.evaluation import LENGTH
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import rows_of_slice
from pipeline.report.formatting import count, edge, percent, readable
from pipeline.report.plot_tables import confusion_matrix, precision_recall_table, roc_table
from pipeline.report.plots import Draw

MODEL_COLOUR, BASELINE_COLOUR, GUESS_COLOUR = "#0072B2", "#D55E00", "#999999"
LABEL_COLOURS = ("#E69F00", "#0072B2")
"""Colours of the first and the second of two classes, and of wrong and right answers."""
CLASS_LINES = tuple(product(("-", "--"), ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#000000")))
"""Line style and colour of each class where more than two have a line each, beside the model's own colour."""
SYSTEM_LINES = ((MODEL_COLOUR, "-"), (BASELINE_COLOUR, "--"))
"""Colour and line style of the model and of the baseline."""
FEW_CLASSES = 6
"""Most classes whose confusion matrix fits a figure of the usual size."""
ROOM_FOR_NAMES = 40
"""Most characters of the names of all classes that fit below a confusion matrix side by side."""
LONGEST_DRAWN = 24
"""Most characters of a class's name in a figure."""
SMALLEST_FONT = 4.5
"""Size in points below which numbers are left out of a figure."""

Curves = Mapping[str, tuple[Columns, float | None]]
"""Curve and area under it (None where undefined), by system."""


def drawings(
    tables: Mapping[str, Columns],
    baseline: ScoredSplit | None,
    learning_curve: Columns | None,
    metrics: Mapping[str, Any],
    classes: Sequence[str],
    baseline_name: str = "baseline",
) -> dict[str, Draw]:
    """Return the function that draws each figure, by file name.

    Args:
        tables: of the model, from `plot_tables`; `slices`; `behaviour`, if there are such tests; it may have no rows.
        baseline: the baseline's answers on the test split, or another model's.
        learning_curve: from `read_learning_curve`; None leaves it out.
        metrics: content of `reports/details.json`.
        classes: names of the classes, by number.
        baseline_name: name of the baseline.
    """
    test = metrics["test"]
    by_length = rows_of_slice(tables["slices"], LENGTH)
    of_training: dict[str, Draw] = {}
    if learning_curve is not None:
        of_training["learning_curve"] = lambda axes: draw_learning_curve(axes, learning_curve)
    if len(tables.get("behaviour", {}).get("capability", ())):
        of_training["behaviour"] = lambda axes: draw_behaviour(axes, tables["behaviour"])
    of_probabilities = _of_two_classes if len(classes) == 2 else _of_more_classes
    return {
        **of_probabilities(tables, baseline, metrics, classes, baseline_name),
        "confusion": lambda axes: draw_confusion(axes, tables["confusion"], test["accuracy"], classes),
        "accuracy_by_length": lambda axes: draw_accuracy_by_length(axes, by_length),
        "slices": lambda axes: draw_slices(axes, tables["slices"], test["accuracy"]),
        **of_training,
    }


def figure_sizes(classes: int) -> dict[str, tuple[float, float]]:
    """Return width and height in inches of the figures that grow with the number of classes, by file name."""
    side = min(4 + 0.4 * classes, 20)
    return {"confusion": (side, side * 0.85)} if classes > FEW_CLASSES else {}


def names_in_figures(classes: Sequence[str]) -> dict[str, str]:
    """Return how figures show the names of classes: shortened, or `class 3` where the font has no such characters.

    Scripts written from right to left count as such: matplotlib would write them from left to right. So do names that
    are the same once they are shortened.
    """
    short = [_shortened(name) if _can_be_drawn(name) else "" for name in classes]
    shown = [name if name and short.count(name) == 1 else f"class {number}" for number, name in enumerate(short, 1)]
    return dict(zip(classes, shown, strict=True))


def _of_two_classes(
    tables: Mapping[str, Columns],
    baseline: ScoredSplit | None,
    metrics: Mapping[str, Any],
    classes: Sequence[str],
    baseline_name: str,
) -> dict[str, Draw]:
    test, names = metrics["test"], list(names_in_figures(classes).values())
    roc = {"model": (tables["roc"], test["roc_auc"])}
    precision_recall = {"model": (tables["precision_recall"], test["average_precision"])}
    if baseline is not None:
        roc[baseline_name] = (roc_table(baseline), metrics["baseline"]["roc_auc"])
        precision_recall[baseline_name] = (precision_recall_table(baseline), metrics["baseline"]["average_precision"])
    labels = ("stated probability", f"share of {names[1]} reviews")
    return {
        "roc": lambda axes: draw_roc(axes, roc),
        "precision_recall": lambda axes: draw_precision_recall(axes, precision_recall),
        "reliability": lambda axes: draw_reliability(axes, tables["reliability"], test["ece"], *labels),
        "score_histogram": lambda axes: draw_score_histogram(axes, tables["score_histogram"], names),
    }


def _of_more_classes(
    tables: Mapping[str, Columns],
    baseline: ScoredSplit | None,
    metrics: Mapping[str, Any],
    classes: Sequence[str],
    baseline_name: str,
) -> dict[str, Draw]:
    test, names = metrics["test"], names_in_figures(classes)
    means = {"mean": (tables["roc"], test["roc_auc"])}
    precision_recall: dict[str, Columns] = {"mean": tables["precision_recall"]}
    if baseline is not None:
        means[f"{baseline_name}, mean"] = (roc_table(baseline), metrics["baseline"]["roc_auc"])
        precision_recall[f"{baseline_name}, mean"] = precision_recall_table(baseline)

    def draw_both(axes: Axes) -> None:
        _draw_classes(axes, tables["roc_by_class"], "fpr", "tpr", names)
        draw_roc(axes, means)

    labels = ("probability of the predicted class", "share of correct predictions")
    return {
        "roc": draw_both,
        "precision_recall": lambda axes: draw_mean_precision_recall(
            axes, precision_recall, tables["precision_recall_by_class"], names
        ),
        "reliability": lambda axes: draw_reliability(axes, tables["reliability"], test["ece"], *labels),
        "score_histogram": lambda axes: draw_confidence(axes, tables["confidence"]),
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


def draw_mean_precision_recall(
    axes: Axes, means: Mapping[str, Columns], by_class: Columns, names: Mapping[str, str]
) -> None:
    """Draw precision against recall: the mean over the classes for each system, and the model's of each class."""
    _draw_classes(axes, by_class, "recall", "precision", names)
    for (name, table), (colour, line) in zip(means.items(), SYSTEM_LINES, strict=False):
        axes.plot(table["recall"], table["precision"], color=colour, linestyle=line, label=name)
    _label(axes, "Precision and recall of each class", "recall", "precision")
    axes.legend(loc="lower left")


def draw_reliability(axes: Axes, table: Columns, ece: float, probability: str, share: str) -> None:
    """Draw a share against the stated probability of it; a point's area shows its number of reviews."""
    reviews = np.asarray(table["reviews"])
    axes.plot([0, 1], [0, 1], color=GUESS_COLOUR, linestyle=":", label="perfect")
    axes.plot(table["probability"], table["share"], color=MODEL_COLOUR, label="model")
    axes.scatter(table["probability"], table["share"], s=12 + 250 * reviews / reviews.max(), color=MODEL_COLOUR)
    for x, y, n in zip(table["probability"], table["share"], reviews, strict=True):
        axes.annotate(count(n), (x, y), (5, -13), textcoords="offset points", fontsize=7, color="#555555")
    axes.set_xlim(-0.05, 1.1)
    _label(axes, f"Reliability: calibration error {ece:.3f}", probability, share)
    axes.legend(loc="upper left")


def draw_confusion(axes: Axes, table: Columns, accuracy: float, classes: Sequence[str]) -> None:
    """Draw the number of reviews for each pair of actual and predicted label, and their share where there is room.

    Numbers and names that would be too small to read are left out; the colours remain.
    """
    counts, names = confusion_matrix(table, classes), list(names_in_figures(classes).values())
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= FEW_CLASSES
    size = 11 if len(classes) == 2 else _cell_font(axes, len(classes), "n\n100.0%" if few else count(int(counts.max())))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), n in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{count(int(n))}\n{percent(float(share))}" if few else count(int(n))
        colour = "white" if share > 0.5 else "black"
        if size >= SMALLEST_FONT and (few or n):
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    ticks = range(len(classes))
    if len(classes) == 2:
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names, rotation=90, va="center")
    else:
        tick_size = min(8, _points(axes)[1] / len(classes))
        rotation = 0 if sum(map(len, names)) <= ROOM_FOR_NAMES else 90
        ticks, names = (ticks, names) if tick_size >= SMALLEST_FONT else (range(0), [])
        axes.set_xticks(ticks, names, rotation=rotation, fontsize=tick_size)
        axes.set_yticks(ticks, names, fontsize=tick_size)
    axes.grid(visible=False)
    _label(axes, f"Confusion: accuracy {accuracy:.3f}", "predicted", "actual")


def draw_score_histogram(axes: Axes, table: Columns, names: Sequence[str]) -> None:
    """Draw the distribution of the probabilities for each of two labels."""
    _draw_histogram(axes, table, [f"{name} reviews" for name in names])
    _label(axes, "Scores by label", f"probability of {names[1]}", "reviews")
    axes.legend(loc="upper center")


def draw_confidence(axes: Axes, table: Columns) -> None:
    """Draw the distribution of the probability of the predicted class, for right and for wrong predictions."""
    columns = {name: table[name] for name in ("probability", "wrong", "right")}
    _draw_histogram(axes, columns, ["wrong predictions", "right predictions"])
    _label(axes, "Scores of right and wrong predictions", "probability of the predicted class", "reviews")
    axes.legend(loc="upper left")


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
    for (name, (table, value)), (colour, line) in zip(curves.items(), SYSTEM_LINES, strict=False):
        size = "undefined" if value is None else f"{value:.3f}"
        axes.plot(table[x], table[y], color=colour, linestyle=line, label=f"{name}, {area} {size}")


def _area_title(name: str, area: str, curves: Curves) -> str:
    value = next(iter(curves.values()))[1]
    return f"{name}: undefined, one label only" if value is None else f"{name}: {area} {value:.3f}"


def _draw_classes(axes: Axes, table: Columns, x: str, y: str, names: Mapping[str, str]) -> None:
    """Draw a thin line for each class, unless there are too many to tell apart."""
    if len(names) > len(CLASS_LINES):
        return
    of_class = np.asarray(table["class"])
    for (name, shown), (line, colour) in zip(names.items(), CLASS_LINES, strict=False):
        if (members := of_class == name).any():
            points = (np.asarray(table[axis])[members] for axis in (x, y))
            axes.plot(*points, color=colour, linestyle=line, linewidth=1, label=shown)


def _draw_histogram(axes: Axes, table: Columns, labels: Sequence[str]) -> None:
    middles, *parts = table.values()
    width = middles[1] - middles[0]
    for part, colour, label in zip(parts, LABEL_COLOURS, labels, strict=True):
        axes.bar(middles, part, width, color=colour, alpha=0.65, label=label)


def _cell_font(axes: Axes, cells: int, longest: str) -> float:
    """Return the size in points at which the longest text fits into a cell."""
    width, height = _points(axes)
    lines = longest.splitlines()
    return min(11, width / cells / max(map(len, lines)) / 0.65, height / cells / len(lines) / 1.3)


def _points(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes in points, before the layout makes room for the labels."""
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi * 72, box.height / axes.figure.dpi * 72


@cache
def _can_be_drawn(name: str) -> bool:
    """True if the font has all characters of a name and writes it as people do; a legend hides names with a `_`."""
    font = get_font(findfont("DejaVu Sans"))
    drawn = all(font.get_char_index(ord(c)) and unicodedata.bidirectional(c) not in ("R", "AL") for c in name)
    return drawn and not name.startswith("_")


def _shortened(name: str) -> str:
    half = LONGEST_DRAWN // 2
    short = name if len(name) <= LONGEST_DRAWN else f"{name[:half].rstrip()}…{name[-half:].lstrip()}"
    return short.replace("$", r"\$")  # two of them would start a formula


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
