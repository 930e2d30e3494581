"""Labels of a review."""

NEGATIVE, POSITIVE = 0, 1
LABELS = ("negative", "positive")
"""Names of the labels, by number."""
