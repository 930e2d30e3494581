"""What is taken out of a review before anything else looks at it."""

import re

# Possessive: nothing is tried twice, or a `<` before n spaces that no `br` ends would take n² steps.
_BREAK = re.compile(r"<\s*+(?:/\s*+)?+br\s*+(?:/\s*+)?+>", re.IGNORECASE)


def clean(text: str) -> str:
    """The text without HTML line breaks and without spaces around it."""
    return _BREAK.sub(" ", text).strip()
