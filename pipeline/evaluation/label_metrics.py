"""Compute the metrics that need only labels, no probabilities, for two classes and for more.

They are the metrics that an objective can name beside accuracy, and balanced accuracy.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.metrics import MetricValues
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.class_counts import balanced_accuracy, macro_f1, matthews_correlation
from pipeline.inference.rule_fitting import cost_matrix


def label_metrics(scored: ScoredSplit, objective: ObjectiveConfig = ACCURACY) -> MetricValues:
    """Compute the metrics on a split, by key; None for one that is undefined there.

    Args:
        scored: the answers.
        objective: its costs, or its target of precision, have metrics of their own.
    """
    values = resampled_label_metrics(np.ones((1, len(scored.labels))), scored, objective)
    return {key: float(value[0]) if np.isfinite(value[0]) else None for key, value in values.items()}


def resampled_label_metrics(
    counts: NDArray[np.float64], scored: ScoredSplit, objective: ObjectiveConfig = ACCURACY
) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics on many bootstrap resamples at once; NaN where one is undefined.

    Args:
        counts: how often each review is drawn in each resample `[resamples, n]`.
        scored: the answers to the reviews.
        objective: as for `label_metrics`.

    Returns:
        Values `[resamples]` by key.
    """
    indices = np.arange(len(scored.classes))
    is_actual = (scored.labels[:, None] == indices).astype(np.float64)  # [n, classes]
    is_labelled = (scored.predicted[:, None] == indices).astype(np.float64)
    right, labelled, actual = (counts @ members for members in (is_actual * is_labelled, is_labelled, is_actual))
    values = {
        "macro_f1": macro_f1(right, labelled, actual),
        "balanced_accuracy": balanced_accuracy(right, actual),
        "mcc": matthews_correlation(right, labelled, actual),
    }
    if objective.metric == "cost":
        costs = cost_matrix(objective, scored.classes)[scored.labels, scored.predicted]
        values["cost"] = counts @ costs / counts.sum(axis=1)
    elif objective.metric == "precision":
        target = objective.target_index(scored.classes)
        with np.errstate(invalid="ignore"):
            values["target_recall"] = right[:, target] / actual[:, target]
            values["target_precision"] = right[:, target] / labelled[:, target]
    return values
