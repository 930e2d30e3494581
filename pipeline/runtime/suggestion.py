"""Suggestions for a mistyped name."""

from collections.abc import Iterable
from difflib import get_close_matches

MIN_SIMILARITY = 0.7
"""Minimum ratio of `difflib` for a name to be suggested."""


def did_you_mean(name: str, known: Iterable[str], min_similarity: float = MIN_SIMILARITY) -> str:
    """Return `; did you mean …?` with the most similar known name, or nothing if none is similar enough.

    Args:
        name: the name as typed.
        known: the valid names.
        min_similarity: minimum ratio of `difflib` for a name to be suggested.
    """
    matches = get_close_matches(name, known, n=1, cutoff=min_similarity)
    return f"; did you mean {matches[0]}?" if matches else ""
