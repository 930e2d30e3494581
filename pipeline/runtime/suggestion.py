"""Suggestions for a mistyped name."""

from collections.abc import Iterable
from difflib import get_close_matches

MIN_SIMILARITY = 0.7
"""Ratio of `difflib` from which on two names are taken for the same one."""


def did_you_mean(name: str, known: Iterable[str], least: float = MIN_SIMILARITY) -> str:
    """Return `; did you mean …?` with the known name that is most like another one, or nothing if none is like it.

    Args:
        name: as it was typed.
        known: the names that there are.
        least: smallest ratio of `difflib` at which a name is suggested.
    """
    alike = get_close_matches(name, known, n=1, cutoff=least)
    return f"; did you mean {alike[0]}?" if alike else ""
