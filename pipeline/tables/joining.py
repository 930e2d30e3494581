"""The text of a row: that of its text column, or of several, joined."""

from collections.abc import Iterable

SEPARATOR = "\u241e"
"""Token between the texts of two columns: the symbol for a record separator, which no review holds."""


def joined_text(values: Iterable[str | None]) -> str:
    """Join the texts of a row's columns, as training and predictions read them; of several, empty if all are blank.

    A missing text keeps its place, so that a title stays apart from a body.
    """
    texts = [value or "" for value in values]
    if len(texts) == 1:
        return texts[0]
    return f" {SEPARATOR} ".join(texts) if any(text.strip() for text in texts) else ""
