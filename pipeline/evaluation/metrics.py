"""How good a classifier's answers and probabilities are."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

Metrics = dict[str, float | int | None]

logger = logging.getLogger(__name__)


def classification_metrics(
    labels: ArrayLike, probabilities: ArrayLike, *, threshold: float, ece_bins: int, name: str
) -> Metrics:
    """Judge calibrated probabilities against the truth.

    Args:
        labels: 0 or 1, `[n]`, n at least 1.
        probabilities: of label 1, `[n]`.
        threshold: a review is called positive from this probability on.
        ece_bins: number of equal-width bins of the calibration error.
        name: what is judged, for the warning.

    Returns:
        Fractions between 0 and 1 (log loss in nats, `reviews` a count). ROC-AUC and average precision are None, with a
        warning, where only one label occurs: they are undefined there.
    """
    y, p = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    predicted = p >= threshold
    accuracy = float(sk.accuracy_score(y, predicted))
    majority = float(max(np.mean(y == 0), np.mean(y == 1)))
    both_labels = majority < 1
    if not both_labels:
        logger.warning("%s holds one label only: its roc_auc and average_precision are undefined (null)", name)
    return {
        "accuracy": accuracy,
        "f1": float(sk.f1_score(y, predicted, zero_division=0)),
        "precision": float(sk.precision_score(y, predicted, zero_division=0)),
        "recall": float(sk.recall_score(y, predicted, zero_division=0)),
        "roc_auc": float(sk.roc_auc_score(y, p)) if both_labels else None,
        "average_precision": float(sk.average_precision_score(y, p)) if both_labels else None,
        "log_loss": float(sk.log_loss(y, p, labels=[0, 1])),
        "brier": float(np.mean((p - y) ** 2)),
        "ece": expected_calibration_error(y, p, ece_bins),
        "majority": majority,
        "gain_over_majority": accuracy - majority,
        "reviews": len(y),
    }


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> float:
    """Mean distance between stated probability and share of positive reviews, over equal-width bins.

    For two classes as Naeini, Cooper & Hauskrecht (2015) define it, on the probability of the positive class. Guo et
    al. (2017) bin the confidence in the predicted label instead; there, a leaning to one label can cancel out.
    """
    table = reliability(labels, probabilities, bins)
    gap = np.abs(table["probability"] - table["positive_share"])
    return float(np.average(gap, weights=table["reviews"]))


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> dict[str, NDArray[np.float64]]:
    """The reliability diagram: mean probability, share of positive reviews and their number, for each filled bin."""
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    index = np.minimum((p * bins).astype(int), bins - 1)
    reviews = np.bincount(index, minlength=bins)
    filled = reviews > 0
    n = reviews[filled]
    return {
        "probability": np.bincount(index, weights=p, minlength=bins)[filled] / n,
        "positive_share": np.bincount(index, weights=y, minlength=bins)[filled] / n,
        "reviews": n.astype(np.float64),
    }


def length_classes(words: ArrayLike, edges: Sequence[int]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Divide reviews by length.

    Args:
        words: number of words of each review, `[n]`.
        edges: rising upper edges, each inside its class; a last class takes what is longer.

    Returns:
        Name (`up_to_50`, …, `over_800`) and members `[n]` of each class that is not empty.
    """
    index = np.searchsorted(np.asarray(edges), np.asarray(words), side="left")
    names = [f"up_to_{edge}" for edge in edges] + [f"over_{edges[-1]}"]
    classes = [(name, index == i) for i, name in enumerate(names)]
    return [(name, members) for name, members in classes if members.any()]
