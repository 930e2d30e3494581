"""Schemas of the JSON files that describe an evaluation, for reading them back."""

from pydantic import Field, model_validator

from pipeline.runtime.records import Record

Number = int | float


class IntervalRecord(Record):
    """Confidence interval of a metric; None where it is undefined."""

    low: float | None
    high: float | None


class SplitMetrics(Record):
    """Metrics of a classifier on a split; None where one is undefined."""

    __pydantic_extra__: dict[str, Number | None]
    accuracy: float
    classes: dict[str, dict[str, Number | None]] = Field(default_factory=dict)
    """Metrics of each class, of more than two."""


class AccuracyDifference(IntervalRecord):
    """Difference in accuracy, with its confidence interval."""

    accuracy: float


class PartMetrics(Record):
    """Metrics of a part of the network alone."""

    accuracy: float
    log_loss: float
    adds: AccuracyDifference | None = None
    """Accuracy of the whole minus that of the other part."""


class AuxiliaryMetrics(Record):
    """Metrics on held-out auxiliary texts."""

    reviews: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    baseline_accuracy: float | None = None


class SampleSize(Record):
    """Size of a random sample, and of what it was drawn from."""

    reviews: int
    available: int


class WorstSlice(Record):
    """Part of the test split with the lowest accuracy."""

    part: str
    """Slice and value, such as `length: over 800 words`."""
    accuracy: float
    reviews: int


class PairMetrics(Record):
    """Share of contrast pairs with both reviews classified correctly."""

    pairs: int
    consistency: float


class CapabilityMetrics(Record):
    """Failure rate on the cases of a capability."""

    failure_rate: float


class DetailsRecord(Record):
    """Content of `reports/details.json`."""

    test: SplitMetrics
    baseline: SplitMetrics | None = None
    baseline_sample: SampleSize | None = None
    """Training reviews that the baseline learned from; None where it was all of them."""
    intervals: dict[str, dict[str, IntervalRecord]] = Field(default_factory=dict)
    parts: dict[str, PartMetrics] = Field(default_factory=dict)
    """Metrics of the parts of a network that joins two: see `pipeline.evaluation.parts.parts_metrics`."""
    auxiliary: AuxiliaryMetrics | None = None
    worst_slice: WorstSlice | None = None
    behaviour: dict[str, CapabilityMetrics] = Field(default_factory=dict)
    contrast: PairMetrics | None = None


class CheckOutcome(Record):
    """Outcome of one check."""

    name: str
    metric: str
    value: Number | None
    min: float | None
    max: float | None
    passed: bool
    remedy: str | None
    """Advice on a check that failed."""


class ChecksRecord(Record):
    """Content of `reports/verdict.json`."""

    passed: bool
    checks: list[CheckOutcome]
    judged: dict[str, str | None]
    """Digests of what was checked."""

    @model_validator(mode="after")
    def _follows_from_its_checks(self) -> "ChecksRecord":
        if self.passed != all(check.passed for check in self.checks):
            raise ValueError("'passed' does not follow from the checks")
        return self
