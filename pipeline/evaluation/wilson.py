"""Wilson confidence interval of a proportion."""

from scipy.stats import binomtest


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of `successes / trials`, with at least one trial (Wilson 1927)."""
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
