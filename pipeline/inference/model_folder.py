"""The model folder: everything that a prediction needs, as safetensors and JSON; nothing is ever unpickled.

model.safetensors   weights
vocab.json          words, in the order of their token ids
sentencepiece.model model of the tokenizer, only with text.tokenizer=sentencepiece
config.json         format version, calibration, and the configuration of the training
"""

from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

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
from torch import nn

from pipeline.config.comparison import require_same
from pipeline.config.corpus import LabelValues
from pipeline.config.file_format import TrainingFormat
from pipeline.config.labels import LABELS
from pipeline.config.model import Model
from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.config.pretraining import NO_PRETRAINING, PretrainingConfig
from pipeline.config.schema import Config
from pipeline.config.section import Section
from pipeline.config.text import TextConfig
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.scoring import Calibration
from pipeline.networks.build import Network, build_network, parameter_lower_bound
from pipeline.networks.likelihood import Likelihood, build_likelihood
from pipeline.networks.weights import read_weights, write_weights
from pipeline.runtime.atomic import replace
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, first_problem, read_json, write_json
from pipeline.text.vocabulary import Vocabulary

FORMAT_VERSION = 4
TRAINED_WITH: Final[dict[str, Any]] = {
    **dict.fromkeys(("seed", "text", "model", "pretraining", "pseudo_labels", "training", "trainer"), True),
    "evaluation": {"objective"},
}
"""Sections of the configuration that are stored with a model, and of `evaluation` one key: as `model_dump` includes."""
TEXT_COLUMN = "text"
"""Column of the texts in a table, unless the model was trained on another one."""
RETRAIN = (
    "another command changed files of the pipeline while it ran; make them again with "
    "`dvc repro --single-item --force train`, then `dvc repro`"
)


Fitted = TypeVar("Fitted")
Numbers = Annotated[list[Fitted], BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value])]
"""A list of numbers; models of two classes may have the only one without a list."""


class FormatRecord(Record):
    """The part of `config.json` that all format versions share."""

    format: int


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
    max_reviews: PositiveInt | None = None


class ModelInfo(Section):
    """`config.json` of a model folder; further fields, except those of `Origin`, are for people to read."""

    model_config = ConfigDict(extra="allow")

    format: int
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = LABELS
    """Names of the classes, by number."""
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
        if len(set(self.classes)) < len(self.classes) or not all(name and name.isprintable() for name in self.classes):
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


def require_trained_for(config: Config, folder: Path, dataset: str) -> None:
    """Refuse a model folder that was trained with another configuration or on another dataset.

    Args:
        config: the present configuration.
        folder: the model folder.
        dataset: digest of the prepared dataset.

    Raises:
        PipelineError: they differ; the message names the first key that does.
    """
    info = read_model_info(folder / "config.json").model_dump(mode="json")
    requested = config.model_dump(mode="json", include=TRAINED_WITH)
    require_same(requested, {section: info.get(section) for section in TRAINED_WITH}, folder, RETRAIN)
    if info.get("dataset", {}).get("digest") != dataset:
        raise PipelineError(f"{folder} was not trained on the dataset beside it; {RETRAIN}")


def require_digest(folder: Path, digest: str) -> None:
    """Refuse a model folder that was not written by the training which `run.json` describes.

    Args:
        folder: the model folder.
        digest: digest of its files, as that training recorded it.

    Raises:
        PipelineError: the digests differ.
    """
    if folder_digest(folder) != digest:
        raise PipelineError(f"{folder} was not written by the run in run.json beside it; {RETRAIN}")


def save_model(folder: Path | str, network: nn.Module, vocabulary: Vocabulary, info: dict[str, Any]) -> None:
    """Write a model folder, whole or not at all; the same weights and info give the same bytes.

    Args:
        folder: the model folder; replaced if it exists.
        network: the network, whose weights are written.
        vocabulary: the words of its token ids.
        info: the fields of `ModelInfo` except `format`, and any others.
    """
    values = ModelInfo.model_validate({"format": FORMAT_VERSION, **info}).model_dump()
    with replace(Path(folder)) as temporary:
        temporary.mkdir(parents=True)
        write_weights(temporary / "model.safetensors", network.state_dict())
        vocabulary.save(temporary / "vocab.json")
        write_json(temporary / "config.json", values)


def load_model(folder: Path | str) -> tuple[Network, Vocabulary, ModelInfo]:
    """Read a model folder, such as `artifacts/model`; the network is in evaluation mode, on the CPU.

    Raises:
        PipelineError: the folder is missing, incomplete, damaged or of another format, or its parts do not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PipelineError(f"model folder {folder} does not exist; train one with `dvc repro`")
    info = read_model_info(folder / "config.json")
    vocabulary = Vocabulary.load(folder / "vocab.json")
    path = folder / "model.safetensors"
    weights = read_weights(path, "make the folder again")
    mismatch = PipelineError(f"{path} does not fit config.json and vocab.json beside it; make the folder again")
    # before the network is built: the sizes in config.json may exceed any memory
    if sum(weight.numel() for weight in weights.values()) < parameter_lower_bound(info.model, len(vocabulary)):
        raise mismatch
    try:
        network = build_network(info.model, len(vocabulary), info.likelihood, info.pretraining)
        network.load_state_dict(weights)
    except (RuntimeError, PipelineError):
        raise mismatch from None
    return network.eval(), vocabulary, info


def read_model_info(path: Path) -> ModelInfo:
    """Read and check the `config.json` of a model folder.

    Raises:
        PipelineError: the file is missing, damaged or of another format.
    """
    version = read_json(path, FormatRecord, "the folder is not a complete model folder; make it again").format
    if version < FORMAT_VERSION:
        raise PipelineError(
            f"{path} is of an older version of this project (format {version}, this one reads {FORMAT_VERSION}); train "
            "and register the model again with `dvc repro`"
        )
    if version > FORMAT_VERSION:
        raise PipelineError(
            f"{path} is of a newer version of this project (format {version}, this one reads {FORMAT_VERSION}); check "
            "out that version"
        )
    return read_json(path, ModelInfo, "make the folder again")
