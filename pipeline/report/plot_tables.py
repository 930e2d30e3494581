"""The numbers behind the plots, as small tables: for `dvc plots` and for the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.labels import LABELS
from pipeline.evaluation.columns import Columns, as_columns
from pipeline.evaluation.intervals import accuracy_row
from pipeline.evaluation.metrics import length_classes, reliability
from pipeline.evaluation.predictions import Scored

POINTS = 300
HISTOGRAM_BINS = 20


def tables(test: Scored, config: EvaluationConfig) -> dict[str, Columns]:
    """Every table of the model's answers on the test split, by file name."""
    return {
        "roc": roc(test),
        "precision_recall": precision_recall(test),
        "reliability": reliability(test.labels, test.probabilities, config.ece_bins),
        "confusion": {
            "actual": np.array(LABELS)[test.labels],
            "predicted": np.array(LABELS)[test.predicted],
        },
        "score_histogram": score_histogram(test.labels, test.probabilities),
    }


def roc(scored: Scored) -> Columns:
    """The receiver operating characteristic, at most 300 points; empty where only one label occurs."""
    if len(np.unique(scored.labels)) < 2:
        return {"fpr": [], "tpr": []}
    fpr, tpr, _ = roc_curve(scored.labels, scored.probabilities)
    return _thinned({"fpr": fpr, "tpr": tpr})


def precision_recall(scored: Scored) -> Columns:
    """Precision at every recall, at most 300 points; empty where only one label occurs."""
    if len(np.unique(scored.labels)) < 2:
        return {"recall": [], "precision": []}
    precision, recall, _ = precision_recall_curve(scored.labels, scored.probabilities, drop_intermediate=True)
    return _thinned({"recall": recall[::-1], "precision": precision[::-1]})


def score_histogram(labels: NDArray[Any], probabilities: NDArray[Any]) -> Columns:
    """How many reviews of each label get a probability in each twentieth; `probability` is the bin's middle."""
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    counts = {LABELS[label]: np.histogram(probabilities[labels == label], edges)[0] for label in range(len(LABELS))}
    return {"probability": ((edges[:-1] + edges[1:]) / 2).round(6), **counts}


def accuracy_by_length(test: Scored, edges: Sequence[int]) -> Columns:
    """Accuracy with its 95 % Wilson interval for each class of length; `words` is the class's median length."""
    correct = test.predicted == test.labels
    rows = [
        {"length": name, "words": float(np.median(test.words[members])), **accuracy_row(correct[members])}
        for name, members in length_classes(test.words, edges)
    ]
    return as_columns(rows)


def _thinned(columns: Mapping[str, NDArray[Any]]) -> Columns:
    length = len(next(iter(columns.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(int))
    return {name: values[kept] for name, values in columns.items()}
