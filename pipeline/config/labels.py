"""Classes of a review."""

NEGATIVE, POSITIVE = 0, 1
LABELS = ("negative", "positive")
"""Names of the classes of sentiment, by index: those of every corpus that does not name its own."""
