"""The JSON files that an evaluation writes or reports on, as they are read back."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.runtime.records import Record

Number = int | float


class Interval(Record):
    """Confidence interval of a figure; None where it is undefined."""

    low: float | None
    high: float | None


class Figures(Record):
    """Metrics of a classifier on a split; None where one is undefined."""

    __pydantic_extra__: dict[str, Number | None]
    accuracy: float


class WorstSlice(Record):
    """The part of the test split with the lowest accuracy."""

    accuracy: float
    reviews: int


class Consistency(Record):
    """Share of contrast pairs with both answers right."""

    pairs: int
    consistency: float


class Failures(Record):
    """Failure rate on the cases of a capability."""

    failure_rate: float


class MetricsRecord(Record):
    """`reports/metrics.json`."""

    test: Figures
    baseline: Figures | None = None
    intervals: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    worst_slice: WorstSlice | None = None
    behaviour: dict[str, Failures] = Field(default_factory=dict)
    contrast: Consistency | None = None


class CheckOutcome(Record):
    """A check of a verdict."""

    name: str
    metric: str
    value: Number | None
    min: float | None
    max: float | None
    passed: bool


class VerdictRecord(Record):
    """`reports/verdict.json`."""

    passed: bool
    checks: list[CheckOutcome]
    judged: dict[str, str | None]
    """Digests of what the verdict is about."""

    @model_validator(mode="after")
    def _follows_from_its_checks(self) -> "VerdictRecord":
        if self.passed != all(check.passed for check in self.checks):
            raise ValueError("'passed' does not follow from the checks")
        return self


class Lengths(Record):
    """Percentiles of the reviews of a split, in tokens."""

    p50: int
    p95: int


class SplitSummary(Record):
    """Summary of a split."""

    reviews: int
    positive_share: float | None = None
    tokens: Lengths
    cut: int
    unknown_word_share: float


class Duplicates(Record):
    """Counts of reviews that repeat others."""

    repeats: int
    exact: int
    near_exact: int
    within: dict[str, int]
    across: dict[str, int]
    dropped: dict[str, int]
    label_conflicts: int


class DataRecord(Record):
    """`reports/data.json`."""

    corpus: str
    vocabulary: int
    splits: dict[str, SplitSummary]
    duplicates: Duplicates


class AccuracyByLength(Record):
    """A column for each quantity, with a value for each class of length."""

    length: list[str]
    accuracy: list[float]
    low: list[float]
    high: list[float]
    reviews: list[int]

    @model_validator(mode="after")
    def _columns_are_of_one_length(self) -> "AccuracyByLength":
        if len({len(self.length), len(self.accuracy), len(self.low), len(self.high), len(self.reviews)}) > 1:
            raise ValueError("the columns of 'accuracy_by_length' differ in length")
        return self


class SentenceInfluence(Record):
    """Effect on the predictions of replacing one sentence by its opposite."""

    flip_rate: float
    """Share of (review, pair of sentences) whose label changes."""
    log_odds_change: float
    """Mean absolute change of the calibrated log-odds."""


class SentencePlaces(Record):
    """Effect of a sentence by its place in the review."""

    start: SentenceInfluence
    end: SentenceInfluence


class LadderModel(Record):
    """Measurements of one network."""

    kind: Literal["bag_of_words", "rnn", "gru", "lstm"]
    accuracy: float
    accuracy_by_length: AccuracyByLength
    gradient: list[float] = Field(min_length=1)
    farther_half: float
    sentence: SentencePlaces


class LadderRecord(Record):
    """`reports/memory_ladder.json`."""

    dataset: str
    models: dict[str, LadderModel]
