"""The numbers behind the plots, as small tables: computed, written as CSV files for `dvc plots`, and read back."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.labels import LABELS
from pipeline.evaluation.classification import reliability
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import csv_text

CURVE_POINTS = 300
"""Most points of a curve."""
HISTOGRAM_BINS = 20
LEARNING_CURVE = ("epoch", "train_loss", "val_loss", "val_calibrated_loss", "val_accuracy")
"""Columns of the learning curve."""


def plot_tables(test: ScoredSplit, config: EvaluationConfig) -> dict[str, Columns]:
    """Compute each table of the model's answers on the test split, by file name."""
    return {
        "roc": roc_table(test),
        "precision_recall": precision_recall_table(test),
        "reliability": reliability(test.labels, test.probabilities, config.ece_bins),
        "confusion": {
            "actual": np.array(LABELS)[test.labels],
            "predicted": np.array(LABELS)[test.predicted],
        },
        "score_histogram": score_histogram(test.labels, test.probabilities),
    }


def roc_table(scored: ScoredSplit) -> Columns:
    """Compute the receiver operating characteristic, at most 300 points; empty where only one label occurs."""
    if len(np.unique(scored.labels)) < 2:
        return {"fpr": [], "tpr": []}
    fpr, tpr, _ = roc_curve(scored.labels, scored.probabilities)
    return _thinned({"fpr": fpr, "tpr": tpr})


def precision_recall_table(scored: ScoredSplit) -> Columns:
    """Compute precision at every recall, at most 300 points; empty where only one label occurs."""
    if len(np.unique(scored.labels)) < 2:
        return {"recall": [], "precision": []}
    precision, recall, _ = precision_recall_curve(scored.labels, scored.probabilities, drop_intermediate=True)
    return _thinned({"recall": recall[::-1], "precision": precision[::-1]})


def score_histogram(labels: NDArray[Any], probabilities: NDArray[Any]) -> Columns:
    """Count the reviews of each label in 20 bins of the probability; `probability` is the middle of the bin."""
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    counts = {LABELS[label]: np.histogram(probabilities[labels == label], edges)[0] for label in range(len(LABELS))}
    return {"probability": ((edges[:-1] + edges[1:]) / 2).round(6), **counts}


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


def _thinned(columns: Mapping[str, NDArray[Any]]) -> Columns:
    length = len(next(iter(columns.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, CURVE_POINTS)).round().astype(int))
    return {name: values[kept] for name, values in columns.items()}
