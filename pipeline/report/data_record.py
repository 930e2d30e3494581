"""Schema of `reports/data.json`: what `preprocess` found in the corpus, as the report shows it."""

from pipeline.runtime.records import Record


class TokenPercentiles(Record):
    """Percentiles of the length of a split's reviews, in tokens."""

    p50: int
    p95: int


class SplitSummary(Record):
    """Summary of a split."""

    reviews: int
    classes: dict[str, int] | None = None
    """Number of reviews of each class; None for unlabelled ones."""
    tokens: TokenPercentiles
    cut: int
    unknown_word_share: float


class DuplicateCounts(Record):
    """Counts of reviews that repeat others."""

    repeats: int
    exact: int
    near_exact: int
    within: dict[str, int]
    across: dict[str, int]
    dropped: dict[str, int]
    label_conflicts: int


class DataRecord(Record):
    """Content of `reports/data.json`."""

    corpus: str
    vocabulary: int
    splits: dict[str, SplitSummary]
    duplicates: DuplicateCounts
    left_out: dict[str, int]
    """Rows of the corpus that are in no split, by reason."""
