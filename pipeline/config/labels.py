"""Classes of a review."""

NEGATIVE, POSITIVE = 0, 1
LABELS = ("negative", "positive")
"""Names of the classes of sentiment, by index: those of every corpus that does not name its own."""
JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: letters of Persian and of Indic scripts, though `str.isprintable` has them not."""


def unprintable_characters(class_name: str) -> str:
    """Return the characters that no name of a class may hold: those that cannot be seen, but for joiners in a word."""
    within = class_name.strip(JOINERS)
    edges = class_name.replace(within, "", 1)
    return edges + "".join(character for character in within if not (character.isprintable() or character in JOINERS))
