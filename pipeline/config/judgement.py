"""How a model is judged, registered and tracked."""

from pydantic import Field, model_validator

from pipeline.config.section import Count, Section

LENGTH, UNKNOWN_WORDS = "length", "unknown_words"
SLICES = (LENGTH, UNKNOWN_WORDS)
"""The slices every corpus has."""


class ContrastConfig(Section):
    """Pairs of reviews with opposite labels, to be judged beside the test split."""

    path: str | None
    """The user's file, relative to the project root; null: none."""
    allow_seen: bool
    """Judge pairs that the model was trained on, too."""
    fingerprint: str | None
    """Hash of the file, filled in by `compose` so that DVC notices an edit."""


class MemoryLadderConfig(Section):
    """What the ladder of memory measured, shown in the report."""

    path: str
    """Relative to the project root; there once the ladder has run."""
    fingerprint: str | None
    """Hash of the file, filled in by `compose` so that DVC notices a new one; null: there is none."""


class EvaluationConfig(Section):
    """How the held-out split is judged."""

    ece_bins: int = Field(ge=2, le=10_000)
    length_edges: list[Count] = Field(min_length=1)
    """Upper edges, in words, of the length classes for which accuracy is reported."""
    baseline: bool
    """Also train and judge the TF-IDF + logistic regression baseline."""
    slices: list[str]
    """Parts of the test split to judge by themselves, beside those by length: `unknown_words`, or kept columns."""
    behaviour: bool
    """Also judge the answers to the cases that the templates in conf/behaviour/ make."""
    contrast_pairs: ContrastConfig
    memory_ladder: MemoryLadderConfig

    @model_validator(mode="after")
    def _edges_rise(self) -> "EvaluationConfig":
        if sorted(set(self.length_edges)) != self.length_edges:
            raise ValueError("evaluation.length_edges must rise")
        return self


class CheckConfig(Section):
    """One condition of registration: a value of `reports/metrics.json` within bounds."""

    metric: str
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "CheckConfig":
        if self.min is None and self.max is None:
            raise ValueError("a check needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no value is at least min, {self.min:g}, and at most max, {self.max:g}; exchange them")
        return self


class RegistryConfig(Section):
    """When and as what a model is registered."""

    model_name: str = Field(pattern=r"^[\w-]+$")
    alpha: float = Field(gt=0, lt=1)
    """A difference from the champion with a smaller p-value (McNemar) is called more than chance."""
    checks: dict[str, CheckConfig]


class TrackingConfig(Section):
    """Where MLflow keeps runs."""

    experiment: str = Field(min_length=1)
    uri: str | None
    """MLflow tracking URI; null: a sqlite store in the project root. `MLFLOW_TRACKING_URI` wins over both."""
    system_metrics: bool
    patience: float = Field(ge=0, le=7 * 24 * 3600)
    """Seconds to wait, when a training has ended, for a server that went away meanwhile."""
