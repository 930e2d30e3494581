"""How sure a share is that was counted."""

from scipy.stats import binomtest


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, `of` at least 1 (Wilson 1927)."""
    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
