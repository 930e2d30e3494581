"""Schema of `reports/data.json`: what `preprocess` found in the corpus, as the report shows it."""

from pipeline.evaluation.records import CheckOutcome
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


class WeightedCounts(Record):
    """Counts of training reviews that stand for others, too."""

    reviews: int
    stand_for: int
    """Number of reviews that they stand for together."""


class DuplicateCounts(Record):
    """Counts of reviews that repeat others."""

    repeats: int
    exact: int
    near_exact: int
    unlabelled: int
    """Number of reviews without a label that repeat others; the counts above leave them out."""
    within: dict[str, int]
    across: dict[str, int]
    dropped: dict[str, int]
    label_conflicts: int
    """Number of texts with several labels."""
    kept_by_test: int
    """Number of texts with several labels in the test split, which keeps them all."""
    contradicting: int
    """Number of reviews that contradict most others of the same text."""
    tied: int
    """Number of reviews left out because their text has no majority."""
    classes_before: dict[str, dict[str, int]]
    """Number of reviews of each class, by split as the corpus brings it, with its duplicates."""
    classes_after: dict[str, dict[str, int]]
    weighted: WeightedCounts | None = None
    """Only with corpus.duplicates=weight."""


class GroupCounts(Record):
    """Counts of groups that are never divided between splits."""

    groups: int
    ungrouped: int
    """Number of reviews that name no group."""
    shared: int
    """Number of groups that the corpus's own splits share."""
    dropped: dict[str, int]
    too_large: dict[str, int]
    """Number of groups that are larger than a drawn split, by split."""
    for_class: dict[str, int]
    """Number of groups that a drawn split has only for the class it would lack without them, by split."""


class DataRecord(Record):
    """Content of `reports/data.json`."""

    corpus: str
    vocabulary: int
    splits: dict[str, SplitSummary]
    duplicates: DuplicateCounts
    groups: GroupCounts | None = None
    checks: list[CheckOutcome]
    left_out: dict[str, int]
    """Rows of the corpus that are in no split, by reason."""
