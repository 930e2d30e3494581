"""Compute the metrics of a classifier of two classes: on a split, and on bootstrap resamples of it."""

import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from pipeline.evaluation.metrics import MetricValues

DRAWS = 200
"""Draws of labels from the model's own probabilities: their mean calibration error is exact to about 1.5 %."""
MAX_DRAWN = 4_000_000
"""Maximum number of labels, draws times reviews, held at a time."""
DRAWS_SEED = 0

log = logging.getLogger(__name__)


def binary_metrics(
    labels: ArrayLike, probabilities: ArrayLike, *, threshold: float, ece_bins: int, name: str
) -> MetricValues:
    """Compare calibrated probabilities with the true labels.

    Args:
        labels: 0 or 1, `[n]`, n at least 1.
        probabilities: of label 1, `[n]`.
        threshold: smallest probability that counts as positive.
        ece_bins: number of equal-width bins of the calibration error.
        name: name of the split or system, for the warning.

    Returns:
        `METRICS` by key, except those of `label_metrics`: fractions, log loss in nats; and `reviews`, a count. ROC-AUC,
        average precision and relative gain are None, with a warning, where only one label occurs: they are undefined
        there.
    """
    y, p = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    predicted = p >= threshold
    accuracy = float(sk.accuracy_score(y, predicted))
    majority = float(max(np.mean(y == 0), np.mean(y == 1)))
    both_labels = majority < 1
    if not both_labels:
        undefined = "roc_auc, average_precision and relative_gain"
        log.warning("%s: all reviews have the same label, so %s are undefined (null)", name, undefined)
    return {
        "accuracy": accuracy,
        "f1": float(sk.f1_score(y, predicted, zero_division=0)),
        "precision": float(sk.precision_score(y, predicted, zero_division=0)),
        "recall": float(sk.recall_score(y, predicted, zero_division=0)),
        "roc_auc": float(sk.roc_auc_score(y, p)) if both_labels else None,
        "average_precision": float(sk.average_precision_score(y, p)) if both_labels else None,
        "log_loss": float(sk.log_loss(y, p, labels=[0, 1])),
        "brier": float(np.mean((p - y) ** 2)),
        **calibration_errors(y, p, ece_bins),
        "majority": majority,
        **gains(accuracy, majority),
        "reviews": len(y),
    }


def gains(accuracy: float, majority: float) -> MetricValues:
    """Return the metrics that compare accuracy and majority share; the relative gain is None for a share of 1."""
    gain = accuracy - majority
    return {"gain_over_majority": gain, "relative_gain": gain / (1 - majority) if majority < 1 else None}


def calibration_errors(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> MetricValues:
    """Return the calibration error, the one expected by chance, and the excess; arguments as for the error alone."""
    error = expected_calibration_error(labels, probabilities, bins)
    by_chance = calibration_error_by_chance(probabilities, bins)
    return {"ece": error, "ece_expected": by_chance, "ece_excess": error - by_chance}


def resampled_binary_metrics(
    counts: NDArray[np.float64], labels: NDArray[np.int8], probabilities: NDArray[np.float32], threshold: float
) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics that have a confidence interval on many bootstrap resamples at once.

    Args:
        counts: how often each review is drawn in each resample `[resamples, n]`.
        labels: 0 or 1, `[n]`.
        probabilities: of label 1, `[n]`.
        threshold: smallest probability that counts as positive.

    Returns:
        Values `[resamples]` by key, as `binary_metrics` defines them; NaN where a resample holds one label
        only and the metric is undefined.
    """
    order = np.argsort(probabilities, kind="stable")
    y, p = labels[order].astype(np.float64), probabilities[order].astype(np.float64)
    counts = counts[:, order]
    predicted = p >= threshold
    n, positives = counts.sum(axis=1), counts @ y
    true_positives, false_positives = counts @ (y * predicted), counts @ ((1 - y) * predicted)
    false_negatives = positives - true_positives
    tiny = np.finfo(np.float64).eps
    negative_log_likelihood = -np.log(np.clip(np.where(y == 1, p, 1 - p), tiny, 1))
    with np.errstate(invalid="ignore"):
        roc_auc = _ordered_pairs(counts, y, p) / (positives * (n - positives))
    return {
        "accuracy": (n - false_positives - false_negatives) / n,
        "f1": 2 * true_positives / np.maximum(2 * true_positives + false_positives + false_negatives, 1),
        "roc_auc": roc_auc,
        "log_loss": counts @ negative_log_likelihood / n,
        "brier": counts @ (p - y) ** 2 / n,
    }


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> float:
    """Return the mean distance between stated probability and share of reviews with label 1, over equal-width bins.

    For two classes this is the definition of Naeini, Cooper & Hauskrecht (2015), on the probability of the second.
    Guo et al. (2017) bin the confidence in the predicted label instead, which can hide a bias to one label. So does the
    metric of more classes, where label 1 is a correct prediction.
    """
    table = reliability(labels, probabilities, bins)
    gap = np.abs(table["probability"] - table["share"])
    return float(np.average(gap, weights=table["reviews"]))


def calibration_error_by_chance(probabilities: ArrayLike, bins: int) -> float:
    """Return the mean `expected_calibration_error` of a model whose stated probabilities [n] are exactly right.

    On few reviews the share of label 1 in a bin is far from its probability by chance alone. So the labels are drawn
    from the probabilities themselves (parametric bootstrap), by the same random numbers every time.

    Source: Vaicenavicius et al. (2019), AISTATS, "Evaluating model calibration in classification".
    """
    p = np.sort(np.asarray(probabilities, dtype=np.float64))  # equal bins lie side by side, for reduceat
    index = np.minimum((p * bins).astype(int), bins - 1)
    starts = np.flatnonzero(np.r_[True, index[1:] != index[:-1]])
    random, total = np.random.default_rng(DRAWS_SEED), 0.0
    for first in range(0, DRAWS, size := max(1, MAX_DRAWN // len(p))):
        labels = random.random((min(size, DRAWS - first), len(p))) < p
        total += np.abs(np.add.reduceat(labels - p, starts, axis=1)).sum()
    return float(total / len(p) / DRAWS)


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> dict[str, NDArray[np.float64]]:
    """Return the reliability diagram: mean probability, share with label 1 and number of reviews of each filled bin."""
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    index = np.minimum((p * bins).astype(int), bins - 1)
    reviews = np.bincount(index, minlength=bins)
    filled = reviews > 0
    n = reviews[filled]
    return {
        "probability": np.bincount(index, weights=p, minlength=bins)[filled] / n,
        "share": np.bincount(index, weights=y, minlength=bins)[filled] / n,
        "reviews": n.astype(np.float64),
    }


def _ordered_pairs(counts: NDArray[np.float64], y: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the pairs of a positive and a negative review in which the positive ranks higher; a tie counts half."""
    starts = np.flatnonzero(np.r_[True, p[1:] != p[:-1]])
    positives = np.add.reduceat(counts * y, starts, axis=1)  # [resamples, distinct probabilities]
    negatives = np.add.reduceat(counts * (1 - y), starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    pairs: NDArray[np.float64] = (positives * (below + negatives / 2)).sum(axis=1)
    return pairs
