"""Cleaning of a review, before any other step; and the text that its tokens are taken from."""

import re

from pipeline.config.text import TextConfig
from pipeline.tables.joining import SEPARATOR
from pipeline.text.normalisation import normalise

# possessive quantifiers: with backtracking, a `<` before n spaces without a `br` would take n² steps
_BREAK = re.compile(r"<\s*+(?:/\s*+)?+br\s*+(?:/\s*+)?+>", re.IGNORECASE)


def clean(text: str) -> str:
    """Replace HTML line breaks with spaces, and strip spaces at either end."""
    return _BREAK.sub(" ", text).strip()


def prepare(cleaned: str, config: TextConfig) -> str:
    """Return the text that the tokenizer reads: normalised where that is configured.

    Args:
        cleaned: a text from `clean`, which must not be cleaned twice: what was joined may look like another break.
        config: its `normalise` is used.
    """
    return normalise(cleaned) if config.normalise else cleaned


def is_empty(text: str) -> bool:
    """Return whether a text has nothing to read: it is blank or invisible, or has only line breaks and tags.

    A text that `joined_text` has made of several columns is empty if all of them are.
    """
    cleaned = clean(text)
    if cleaned[:1].isalnum() and normalise(cleaned[0]):  # most texts: normalising all of one takes much longer
        return False
    return not normalise(cleaned).replace(SEPARATOR, " ").strip()
