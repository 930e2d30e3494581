"""Metrics of labels that are computed from counts of each class, of one set of answers or of many at once.

Each function takes, for each class on the last axis: the reviews that are labelled correctly, those that are given the
label, and those that belong to it.
"""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]


def macro_f1(right: Counts, labelled: Counts, actual: Counts) -> Counts:
    """Return the mean F1 of the classes that have reviews [...]; 0 for one that no review is labelled with."""
    f1 = 2 * right / np.maximum(labelled + actual, np.finfo(np.float64).tiny)
    return _mean_of_occurring(f1, actual)


def balanced_accuracy(right: Counts, actual: Counts) -> Counts:
    """Return the mean recall of the classes that have reviews [...]."""
    return _mean_of_occurring(right / np.maximum(actual, np.finfo(np.float64).tiny), actual)


def matthews_correlation(right: Counts, labelled: Counts, actual: Counts) -> Counts:
    """Return the Matthews correlation [...]; 0 where all labels are equal, NaN where all reviews are of one class.

    Source: Gorodkin (2004), Comparing two K-category assignments by a K-category correlation coefficient.
    """
    n = actual.sum(axis=-1)
    covariance = right.sum(axis=-1) * n - (labelled * actual).sum(axis=-1)
    of_labels, of_classes = (n**2 - (counts**2).sum(axis=-1) for counts in (labelled, actual))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: Counts = np.where(of_labels > 0, covariance / np.sqrt(of_labels * of_classes), 0.0)
    return np.where(of_classes > 0, correlation, np.nan)


def _mean_of_occurring(values: Counts, actual: Counts) -> Counts:
    occurring = actual > 0
    mean: Counts = np.sum(values * occurring, axis=-1) / np.sum(occurring, axis=-1)
    return mean
