"""Compute the metrics of a classifier of more than two classes: on a split, and on bootstrap resamples of it.

Each class is also evaluated against all others (one-vs-rest). Metrics of a class without reviews, or of one that is
never predicted, are None where they are undefined; means over the classes leave out those without reviews.
"""

import logging

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.binary import calibration_errors, gains
from pipeline.evaluation.columns import Columns, as_rows
from pipeline.evaluation.label_metrics import label_metrics
from pipeline.evaluation.metrics import METRICS, MetricValues, metric_names
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.runtime.errors import listed

NAMED = 5
"""Maximum number of classes named in a warning."""

log = logging.getLogger(__name__)


def multiclass_metrics(
    scored: ScoredSplit, *, ece_bins: int, name: str, objective: ObjectiveConfig = ACCURACY
) -> MetricValues:
    """Compare the probabilities of more than two classes with the true labels.

    Args:
        scored: the answers.
        ece_bins: number of equal-width bins of the calibration error.
        name: name of the split or system, for the warnings.
        objective: as for `label_metrics`.

    Returns:
        the `METRICS` of such classes by key: fractions, log loss in nats, mean absolute error in steps of one class;
        `reviews`, a count; and `classes`, the columns of `class_table` by class, under names that MLflow accepts. What
        is undefined is None, with a warning.
    """
    y, predicted = scored.labels, scored.predicted
    p = scored.probabilities.astype(np.float64)
    by_class = class_table(scored)
    reviews = np.asarray(by_class["reviews"])
    occurring = reviews > 0
    _warn_of_gaps(by_class, name)
    f1 = np.array(by_class["f1"], np.float64)[occurring]
    areas = [area for area in by_class["roc_auc"] if area is not None]
    accuracy, majority = float(np.mean(predicted == y)), float(reviews.max() / len(y))
    several = majority < 1
    values: MetricValues = {
        "accuracy": accuracy,
        **label_metrics(scored, objective),
        "weighted_f1": float(np.average(f1, weights=reviews[occurring])),
        "roc_auc": float(np.mean(areas)) if areas else None,
        "log_loss": float(negative_log_likelihood(y, p).mean()),
        "brier": float(_squared_distance(y, p).mean()),
        **calibration_errors(predicted == y, scored.confidence, ece_bins),
        "mean_absolute_error": float(np.mean(np.abs(predicted.astype(int) - y))),
        "quadratic_kappa": _quadratic_kappa(y, predicted, len(reviews)) if several else None,
        "majority": majority,
        **gains(accuracy, majority),
    }
    names = metric_names(scored.classes)
    return {
        **{
            key: values[key]
            for key, metric in METRICS.items()
            if metric.applies_to(len(names), scored.ordered, objective.metric)
        },
        "reviews": len(y),
        "classes": {
            key: {column: row[column] for column in row if column != "class"}
            for key, row in zip(names, as_rows(by_class), strict=True)
        },
    }


def class_table(scored: ScoredSplit) -> Columns:
    """Return precision, recall, F1, ROC-AUC and number of reviews of each class, taken against all others."""
    classes, y = len(scored.classes), scored.labels
    precision, recall, f1, reviews = sk.precision_recall_fscore_support(
        y, scored.predicted, labels=range(classes), zero_division=np.nan
    )
    f1 = np.where(reviews > 0, f1, np.nan)
    return {
        "class": list(scored.classes),
        "precision": _none_for_nan(precision),
        "recall": _none_for_nan(recall),
        "f1": _none_for_nan(f1),
        "roc_auc": [
            float(sk.roc_auc_score(y == index, scored.probabilities[:, index])) if 0 < n < len(y) else None
            for index, n in enumerate(reviews)
        ],
        "reviews": reviews.tolist(),
    }


def resampled_multiclass_metrics(counts: NDArray[np.float64], scored: ScoredSplit) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics that have a confidence interval, except those of the labels, on many resamples at once.

    Args:
        counts: how often each review is drawn in each resample `[resamples, n]`.
        scored: the answers to the reviews.

    Returns:
        Values `[resamples]` by key, as `multiclass_metrics` defines them.
    """
    p, n = scored.probabilities.astype(np.float64), counts.sum(axis=1)
    return {
        "accuracy": counts @ (scored.predicted == scored.labels) / n,
        "log_loss": counts @ negative_log_likelihood(scored.labels, p) / n,
        "brier": counts @ _squared_distance(scored.labels, p) / n,
    }


def negative_log_likelihood(labels: NDArray[np.int8], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the negative logarithm of the probability of each true label [n]; p [n, classes], of two or more."""
    values: NDArray[np.float64] = -np.log(np.clip(p[np.arange(len(labels)), labels], np.finfo(np.float64).eps, 1))
    return values


def _quadratic_kappa(labels: NDArray[np.int8], predicted: NDArray[np.int8], classes: int) -> float:
    """Return the kappa of ordered classes; one that does not occur keeps its place between the others."""
    return float(sk.cohen_kappa_score(labels, predicted, labels=range(classes), weights="quadratic"))


def _squared_distance(labels: NDArray[np.int8], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared distance of the probabilities from the true label [n]; Brier's own, over all classes."""
    distances: NDArray[np.float64] = ((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1)
    return distances


def _warn_of_gaps(by_class: Columns, name: str) -> None:
    absent = [row["class"] for row in as_rows(by_class) if not row["reviews"]]
    unpredicted = [row["class"] for row in as_rows(by_class) if row["precision"] is None]
    if absent:
        log.warning(
            "%s: no review has the label %s: its recall, F1 and ROC-AUC are undefined (null)",
            name,
            listed(absent, NAMED),
        )
    if unpredicted:
        log.warning("%s: no review is called %s: its precision is undefined (null)", name, listed(unpredicted, NAMED))


def _none_for_nan(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
