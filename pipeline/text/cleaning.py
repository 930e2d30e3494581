"""Cleaning of a review, before any other step."""

import re

# possessive quantifiers: with backtracking, a `<` before n spaces without a `br` would take n² steps
_BREAK = re.compile(r"<\s*+(?:/\s*+)?+br\s*+(?:/\s*+)?+>", re.IGNORECASE)


def clean(text: str) -> str:
    """Replace HTML line breaks with spaces, and strip spaces at either end."""
    return _BREAK.sub(" ", text).strip()
