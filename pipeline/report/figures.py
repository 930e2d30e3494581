"""The figures of an evaluation: which ones exist, and what each shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pipeline.config.evaluation import LENGTH
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import rows_of_slice
from pipeline.report.class_names import names_in_figures
from pipeline.report.figure_calibration import draw_confidence, draw_reliability, draw_score_histogram
from pipeline.report.figure_confusion import FEW_CLASSES, draw_confusion
from pipeline.report.figure_curves import (
    draw_class_curves,
    draw_learning_curve,
    draw_mean_precision_recall,
    draw_precision_recall,
    draw_roc,
)
from pipeline.report.figure_files import Draw
from pipeline.report.figure_slices import draw_accuracy_by_length, draw_behaviour, draw_slices
from pipeline.report.plot_tables import precision_recall_table, roc_table


def figure_drawers(
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
        classes: names of the classes, by index.
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
        draw_class_curves(axes, tables["roc_by_class"], "fpr", "tpr", names)
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
