"""McNemar's test: do two classifiers differ on the same reviews by more than chance?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


@dataclass(frozen=True)
class McNemar:
    """Reviews that only one of two classifiers got right, and the p-value of so uneven a split."""

    first_only: int
    second_only: int
    p_value: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Compute McNemar's test in its exact, two-sided form.

    If neither classifier is better, a review that exactly one of them gets right is equally likely to be either's: a
    binomial test of the two counts at 1/2. Without such reviews the p-value is 1.

    Args:
        first: whether the first classifier is right [n].
        second: whether the second is right on the same reviews [n].

    Source: McNemar (1947), Psychometrika 12; recommended for classifiers by Dietterich (1998), Neural Computation 10.
    """
    first_only, second_only = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    if first_only + second_only == 0:
        return McNemar(0, 0, 1.0)
    return McNemar(first_only, second_only, float(binomtest(first_only, first_only + second_only).pvalue))
