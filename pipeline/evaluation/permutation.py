"""Permutation test: does a metric of the labels of two classifiers differ by more than chance?"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 2000
EXCHANGE_SEED = 0


def permutation_test(
    first: NDArray[np.int8], second: NDArray[np.int8], metric: Callable[[NDArray[np.int8]], float]
) -> float:
    """Return the two-sided p-value of the difference between two classifiers; equal input gives an equal value.

    If neither is better, each review's two labels may as well be exchanged: the p-value is the share of random
    exchanges that make a difference at least as large, the observed one counted among them. Equal labels
    change nothing.

    Args:
        first: labels that the first classifier gives [n].
        second: labels that the second gives to the same reviews [n].
        metric: function of such labels.

    Source: Yeh (2000), More accurate tests for the statistical significance of result differences, COLING.
    """
    observed = abs(metric(first) - metric(second))
    random, differing = np.random.default_rng(EXCHANGE_SEED), np.flatnonzero(first != second)
    at_least = 1
    for _ in range(PERMUTATIONS):
        exchanged = differing[random.random(len(differing)) < 0.5]
        one, other = first.copy(), second.copy()
        one[exchanged], other[exchanged] = second[exchanged], first[exchanged]
        at_least += abs(metric(one) - metric(other)) >= observed - 1e-12
    return float(at_least / (PERMUTATIONS + 1))
