"""The numbers behind the plots, as small tables: computed, written as CSV files for `dvc plots`, and read back."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.config.evaluation import EvaluationConfig
from pipeline.evaluation.binary import reliability
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.multiclass import class_table
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import csv_text

CURVE_POINTS = 300
"""Maximum number of points of a curve."""
HISTOGRAM_BINS = 20
LEARNING_CURVE = ("epoch", "train_loss", "val_loss", "val_calibrated_loss", "val_accuracy")
"""Columns of the learning curve."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Points of a curve: x, which never falls, and y."""
ComputeCurve = Callable[[NDArray[Any], NDArray[Any]], Curve]
"""Computes a curve from labels 0 or 1 `[n]` and the probabilities `[n]` of 1."""


def plot_tables(test: ScoredSplit, config: EvaluationConfig) -> dict[str, Columns]:
    """Compute each table of the model's answers on the test split, by file name.

    The tables that dvc.yaml names have the same columns whatever the classes are.
    """
    confidence, right = test.confidence, test.predicted == test.labels
    common = {
        "roc": _with_diagonal(roc_table(test), "fpr", "chance"),
        "precision_recall": precision_recall_table(test),
        "confusion": {
            "actual": np.array(test.classes)[test.labels],
            "predicted": np.array(test.classes)[test.predicted],
        },
        "confidence": _histogram(confidence, {"right": right, "wrong": ~right}),
    }
    if len(test.classes) == 2:
        probabilities = test.probabilities[:, 1]
        # `probability` is the column of the bins
        names = [f"{name}_" if name == "probability" else name for name in test.classes]
        of_label = {name: test.labels == label for label, name in enumerate(names)}
        return {
            **common,
            "reliability": _reliability(test.labels, probabilities, config),
            "score_histogram": _histogram(probabilities, of_label),
        }
    return {
        **common,
        "reliability": _reliability(right, confidence, config),
        "classes": class_table(test),
        "roc_by_class": _curves_by_class(test, _roc, "fpr", "tpr"),
        "precision_recall_by_class": _curves_by_class(test, _precision_recall, "recall", "precision"),
    }


def _reliability(right: NDArray[Any], probabilities: NDArray[Any], config: EvaluationConfig) -> Columns:
    return _with_diagonal(reliability(right, probabilities, config.ece_bins), "probability", "perfect")


def _with_diagonal(table: Columns, x: str, name: str) -> Columns:
    """Add the diagonal to a curve, which `dvc plots` draws as a line of this name."""
    return {**table, name: table[x]}


def roc_table(scored: ScoredSplit) -> Columns:
    """Compute the receiver operating characteristic, at most 300 points; empty where only one label occurs.

    With two classes it is that of the second; with more, the mean over the classes, each against all others.
    """
    return dict(zip(("fpr", "tpr"), _curve_of_all(scored, _roc), strict=True))


def precision_recall_table(scored: ScoredSplit) -> Columns:
    """Compute precision at every recall, at most 300 points; empty where only one label occurs; classes as for ROC."""
    return dict(zip(("recall", "precision"), _curve_of_all(scored, _precision_recall), strict=True))


def _curve_of_all(scored: ScoredSplit, compute: ComputeCurve) -> Curve:
    if len(np.unique(scored.labels)) < 2:
        return np.empty(0), np.empty(0)
    if len(scored.classes) == 2:
        return _thinned(compute(scored.labels, scored.probabilities[:, 1]))
    grid = np.linspace(0, 1, CURVE_POINTS)
    return grid, np.mean([np.interp(grid, x, y) for _, (x, y) in _curves(scored, compute)], axis=0)


def _curves_by_class(scored: ScoredSplit, compute: ComputeCurve, x: str, y: str) -> Columns:
    """Return the curves of the classes, one after the other, as a table."""
    curves = [(name, _thinned(curve)) for name, curve in _curves(scored, compute)]
    rows = [(name, *point) for name, curve in curves for point in zip(*curve, strict=True)]
    return {column: [row[place] for row in rows] for place, column in enumerate(("class", x, y))}


def _curves(scored: ScoredSplit, compute: ComputeCurve) -> Iterator[tuple[str, Curve]]:
    """Yield the curve of each class against all others; none for a class without reviews."""
    for index, name in enumerate(scored.classes):
        of_class = scored.labels == index
        if of_class.any() and not of_class.all():
            yield name, compute(of_class, scored.probabilities[:, index])


def _roc(labels: NDArray[Any], probabilities: NDArray[Any]) -> Curve:
    fpr, tpr, _ = roc_curve(labels, probabilities)
    return fpr, tpr


def _precision_recall(labels: NDArray[Any], probabilities: NDArray[Any]) -> Curve:
    precision, recall, _ = precision_recall_curve(labels, probabilities, drop_intermediate=True)
    return recall[::-1], precision[::-1]


def _histogram(probabilities: NDArray[Any], parts: Mapping[str, NDArray[np.bool_]]) -> Columns:
    """Count the reviews of each part in 20 bins of the probability; `probability` is the middle of the bin."""
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    counts = {name: np.histogram(probabilities[members], edges)[0] for name, members in parts.items()}
    return {"probability": ((edges[:-1] + edges[1:]) / 2).round(6), **counts}


def confusion_matrix(table: Columns, classes: Sequence[str]) -> NDArray[np.int64]:
    """Count the reviews by actual and predicted class [classes, classes], from the table `confusion`."""
    indices = {name: index for index, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, tuple([indices[str(name)] for name in table[key]] for key in ("actual", "predicted")), 1)
    return counts


def write_tables(folder: Path, tables: Mapping[str, Columns]) -> None:
    """Replace `folder` by one CSV file for each table."""
    with replace(folder) as temporary:
        temporary.mkdir()
        for name, columns in tables.items():
            write_text(temporary / f"{name}.csv", csv_text(list(columns), zip(*columns.values(), strict=True)))


def read_learning_curve(path: Path) -> Columns:
    """Read the metrics that `train` wrote after each epoch.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or any(set(row) != set(LEARNING_CURVE) or None in row.values() for row in rows):
            raise ValueError(f"it has no row, or one that is not {', '.join(LEARNING_CURVE)}")
        return {name: [float(row[name]) for row in rows] for name in LEARNING_CURVE}
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run `dvc repro` to train a model") from None
    except (ValueError, csv.Error) as error:  # not a number, or not UTF-8
        raise PipelineError(f"{path} is damaged: {error}; run `dvc repro` to train a model") from None


def _thinned(curve: Curve) -> Curve:
    x, y = curve
    points = np.unique(np.linspace(0, len(x) - 1, min(len(x), CURVE_POINTS)).round().astype(int))
    return x[points], y[points]
