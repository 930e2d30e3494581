"""How sure a share is that was counted."""

from typing import Any

from numpy.typing import NDArray
from scipy.stats import binomtest


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, `of` at least 1 (Wilson 1927)."""
    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def accuracy_row(correct: NDArray[Any]) -> dict[str, float | int]:
    """Accuracy of some reviews with its interval and their number; `correct` [n] says which were answered right."""
    hits, reviews = int(correct.sum()), len(correct)
    low, high = wilson(hits, reviews)
    return {"accuracy": hits / reviews, "low": low, "high": high, "reviews": reviews}
