"""Schema of conf/evaluation/: the evaluation on held-out reviews."""

from pydantic import Field, model_validator

from pipeline.config.file_format import FileFormat
from pipeline.config.objective import ObjectiveConfig
from pipeline.config.section import Count, Fingerprint, Section

LENGTH, UNKNOWN_WORDS = "length", "unknown_words"
SLICES = (LENGTH, UNKNOWN_WORDS)
"""The slices that every corpus has."""


class ContrastConfig(Section):
    """Contrast pairs: pairs of reviews with opposite labels, evaluated in addition to the test split."""

    path: str | None
    """File with columns original, edited, original_label, edited_label, relative to the project root; null: none."""
    format: FileFormat
    """Format of the file; a key that is null is detected automatically."""
    allow_seen: bool
    """Also evaluate pairs that the model was trained on."""
    fingerprint: Fingerprint = None
    """Hash of the file."""


class MemoryLadderConfig(Section):
    """Results of `sweep=memory_ladder`, shown in the report."""

    path: str
    """File with the results, relative to the project root; it exists once the sweep has run."""
    fingerprint: Fingerprint = None
    """Hash of the file; None: there is none."""


class EvaluationConfig(Section):
    """Evaluation on held-out reviews."""

    objective: ObjectiveConfig
    """Metric that the predicted labels optimise and that models are compared by; see docs/imbalance.md."""
    ece_bins: int = Field(ge=2, le=10_000)
    """Bins of the expected calibration error (ECE)."""
    length_edges: list[Count] = Field(min_length=1)
    """Upper edges, in words, of the length bins for which accuracy is reported, in ascending order."""
    baseline: bool
    """Also train and evaluate the baseline, naive-Bayes-weighted logistic regression on n-grams."""
    slices: list[str]
    """Slices of the test split to report, in addition to those by length: unknown_words, or columns of
    corpus.keep_columns."""
    behaviour: bool
    """Also run the behaviour tests, which are generated from the templates in behaviour_suite/."""
    contrast_pairs: ContrastConfig
    """Contrast pairs: pairs of reviews with opposite labels, evaluated in addition to the test split."""
    memory_ladder: MemoryLadderConfig
    """Results of `sweep=memory_ladder`, shown in the report if they were measured on the same dataset."""

    @model_validator(mode="after")
    def _edges_rise(self) -> "EvaluationConfig":
        if sorted(set(self.length_edges)) != self.length_edges:
            raise ValueError("evaluation.length_edges must be in ascending order")
        return self
