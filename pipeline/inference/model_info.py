"""`config.json` of a model folder: what a model is, how its outputs are read, and what it was trained on."""

from typing import Annotated, Any, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from pipeline.config.corpus import LabelValues
from pipeline.config.file_format import TrainingFormat
from pipeline.config.labels import LABELS, unprintable_characters
from pipeline.config.model import Model
from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.config.pretraining import NO_PRETRAINING, PretrainingConfig
from pipeline.config.section import Section
from pipeline.config.split import PRETRAINING_SPLITS
from pipeline.config.text import TextConfig
from pipeline.inference.calibration import Calibration
from pipeline.inference.decision_rule import DecisionRule
from pipeline.networks.likelihood import Likelihood, build_likelihood
from pipeline.runtime.records import Record, first_problem

TEXT_COLUMN = "text"
"""Column of the texts in a table, unless the model was trained on another one."""

Fitted = TypeVar("Fitted")
Numbers = Annotated[list[Fitted], BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value])]
"""A list of numbers; models of two classes may have the only one without a list."""


class CorpusOrigin(Record):
    """Corpus that a model was trained on."""

    name: str | None = None
    content: str | None = None
    duplicates: str | None = None
    """Treatment of its duplicates."""
    text_column: str | list[str] | None = None
    """Column of the user's files that held the texts, or several whose texts were joined."""
    label_column: str | None = None
    """Column of the user's files that held the labels."""
    labels: dict[str, LabelValues] | None = None
    """Values of that column that meant each class; None where they were not stated."""
    ignore_labels: LabelValues = Field(default_factory=list)
    """Values whose rows were left out."""
    format: TrainingFormat = TrainingFormat()


class DatasetOrigin(Record):
    """Dataset made from the corpus."""

    digest: str | None = None
    split: dict[str, Any] | None = None


class Origin(Record):
    """Corpus and dataset that a model was trained on."""

    corpus: CorpusOrigin = CorpusOrigin()
    dataset: DatasetOrigin = DatasetOrigin()


class DecidedFor(Section):
    """The part of `evaluation` that a model follows."""

    objective: ObjectiveConfig = ACCURACY


class LearnedFrom(Section):
    """The part of `training` that says which reviews of the dataset a model learned from."""

    model_config = ConfigDict(extra="allow")

    auxiliary_weight: NonNegativeFloat = 1.0
    virtual_weight: NonNegativeFloat = 0.0
    max_reviews: PositiveInt | None = None


class SelfTraining(Section):
    """The part of `pseudo_labels` that says whether a model learned from unlabelled reviews."""

    model_config = ConfigDict(extra="allow")

    teacher: dict[str, Any] | None = None


class ModelInfo(Section):
    """`config.json` of a model folder; further fields, except those of `Origin`, are for people to read."""

    model_config = ConfigDict(extra="allow")

    format: int
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = LABELS
    """Names of the classes, by index."""
    ordered: bool = False
    """The order of the classes means something."""
    temperature: Numbers[PositiveFloat]
    bias: Numbers[float]
    threshold: float | None = Field(ge=0, le=1)
    costs: list[list[NonNegativeFloat]] | None = None
    """Those of the `DecisionRule`."""
    text: TextConfig
    model: Model = Field(discriminator="network")
    pretraining: PretrainingConfig = NO_PRETRAINING
    pseudo_labels: SelfTraining = SelfTraining()
    training: LearnedFrom = LearnedFrom()
    evaluation: DecidedFor = DecidedFor()

    @property
    def likelihood(self) -> Likelihood:
        """Meaning of the network's outputs."""
        return build_likelihood(len(self.classes), self.ordered)

    @property
    def calibration(self) -> Calibration:
        """Calibration of the network's outputs."""
        return Calibration(self.likelihood, self.temperature, self.bias, self.rule)

    @property
    def rule(self) -> DecisionRule:
        """Way from calibrated probabilities to a label."""
        return DecisionRule(self.threshold, self.costs)

    @property
    def splits_trained_on(self) -> list[str]:
        """Splits of the dataset that the network was trained on, its pre-training aside."""
        unlabelled = self.pseudo_labels.teacher is not None or self.training.virtual_weight > 0
        used = {"train": True, "auxiliary": self.training.auxiliary_weight > 0, "unlabelled": unlabelled}
        return [split for split in PRETRAINING_SPLITS if used[split]]

    @property
    def objective(self) -> ObjectiveConfig:
        """Metric that the labels are chosen for."""
        return self.evaluation.objective

    @property
    def trained_on(self) -> tuple[Any, ...]:
        """Corpus, its content, duplicates and split: models that share them were trained on the same reviews."""
        split = Origin.model_validate(self.model_extra).dataset.split
        return self.corpus.name, self.corpus.content, self.corpus.duplicates, split

    @property
    def dataset_digest(self) -> str | None:
        """Digest of the dataset that the model was trained on; None where the folder does not tell."""
        return Origin.model_validate(self.model_extra).dataset.digest

    @property
    def corpus(self) -> CorpusOrigin:
        """Corpus that the model was trained on; its fields are None where the folder does not tell."""
        return Origin.model_validate(self.model_extra).corpus

    @property
    def text_columns(self) -> tuple[tuple[str, ...], ...]:
        """Columns of a table that may hold the texts, one or several that are joined.

        Those that the model was trained on come before `TEXT_COLUMN`.
        """
        remembered = self.corpus.text_column
        trained_on = (remembered,) if isinstance(remembered, str) else tuple(remembered or ())
        return tuple(dict.fromkeys(columns for columns in (trained_on, (TEXT_COLUMN,)) if columns))

    @model_validator(mode="after")
    def _calibration_fits_the_classes(self) -> "ModelInfo":
        named = all(name and not unprintable_characters(name) for name in self.classes)
        if len(set(self.classes)) < len(self.classes) or not named:
            raise ValueError("'classes' holds a name twice, or one that is empty or cannot be printed")
        expected = (self.likelihood.columns, self.likelihood.outputs, len(self.classes) > 2)
        if (len(self.temperature), len(self.bias), self.threshold is None) != expected:
            raise ValueError(f"'temperature', 'bias' and 'threshold' do not fit {len(self.classes)} classes")
        square = [len(self.classes)] * len(self.classes)
        if self.costs is not None and (len(self.classes) == 2 or [len(row) for row in self.costs] != square):
            raise ValueError(f"'costs' does not fit {len(self.classes)} classes")
        if problem := self.objective.problem(self.classes):
            raise ValueError(f"'evaluation.objective' does not fit the classes: {problem}")
        return self

    @model_validator(mode="after")
    def _has_a_valid_origin(self) -> "ModelInfo":
        try:
            Origin.model_validate(self.model_extra)
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None
        return self
