"""Confidence limits of a proportion (Wilson 1927)."""

import numpy as np
from numpy.typing import NDArray

from pipeline.runtime.garbage import importing


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of `successes / trials`, with at least one trial."""
    with importing():  # not above: training needs `wilson_lower_bounds` alone
        from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def wilson_lower_bounds(successes: NDArray[np.int64], trials: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lower bounds [n] of shares `successes / trials`, each at one standard error, with at least one trial.

    scipy's formula takes one share at a time, and rounds otherwise: a bound of exactly 0.9 could miss a target of 0.9.
    """
    share = successes / trials
    spread = np.sqrt(share * (1 - share) / trials + 0.25 / trials**2)
    lower: NDArray[np.float64] = (share + 0.5 / trials - spread) / (1 + 1 / trials)
    return lower
