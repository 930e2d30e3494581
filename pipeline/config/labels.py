"""Labels of a review."""

LABELS = ("negative", "positive")
"""Their names, by number."""
