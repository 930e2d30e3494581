"""Typed, validated configuration.

Hydra composes `conf/` into one dictionary, DVC stores it as `params.yaml`, and every command turns it into a `Config`
before it does any work: an unknown key, a wrong type or a value out of range stops the run with one line that names it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import PipelineError

WORKSPACE = Path(__file__).resolve().parents[1]
"""The checkout this code belongs to; DVC outputs live here. A queued experiment has a checkout of its own."""

Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
Fraction = Annotated[float, Field(ge=0, lt=1)]
LabelValues = list[bool | int | float | str] | str


def project_root() -> Path:
    """The user's project folder, also inside the temporary copy in which DVC runs a queued experiment."""
    return Path(os.environ.get("DVC_ROOT", WORKSPACE)).resolve()


class Section(BaseModel):
    """A part of the configuration: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class CorpusInfo(Section):
    """What every corpus tells of itself."""

    name: str = Field(min_length=1)
    source: str
    """Where the reviews come from, for people."""
    licence: str
    citation: str
    fingerprint: str | None
    """Hash of the local files read, filled in by `compose` so that DVC notices an edit; null for anything else."""


class PackageCorpus(CorpusInfo):
    """Reviews shipped as a CSV file inside an installed Python package."""

    kind: Literal["package"]
    package: str
    member: str
    """Path of the CSV file inside the package."""
    subset: str
    """Value of the file's `source` column to keep."""
    checksum: Checksum


class ArchiveCorpus(CorpusInfo):
    """The Large Movie Review Dataset's archive, or one of the same layout."""

    kind: Literal["archive"]
    url: str = Field(min_length=1)
    """`https://…`, `file://…` or a local path."""
    checksum: Checksum


class Labels(Section):
    """Which values of the label column mean what: a list of values, or a comparison such as `<=4`."""

    negative: LabelValues
    positive: LabelValues


class FilesCorpus(CorpusInfo):
    """The user's own CSV, TSV, JSONL or Parquet files."""

    kind: Literal["files"]
    path: str | None
    """One file, to be split; or name the splits below instead."""
    train: str | None
    validation: str | None
    test: str | None
    text_column: str
    label_column: str
    labels: Labels
    keep_columns: list[str]
    """Columns carried through to evaluation."""

    @model_validator(mode="after")
    def _one_way_of_naming_files(self) -> "FilesCorpus":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either corpus.path (one file, split here) or corpus.train (with optional splits)")
        if self.path is not None and (self.validation or self.test):
            raise ValueError("corpus.validation and corpus.test go with corpus.train, not with corpus.path")
        return self


Corpus = PackageCorpus | ArchiveCorpus | FilesCorpus


class SplitConfig(Section):
    """The held-out parts of a corpus that does not bring its own."""

    validation: Fraction = Field(gt=0)
    test: Fraction = Field(gt=0)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _something_is_left(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("split.validation + split.test must be less than 1")
        return self


class TextConfig(Section):
    """From a review to token ids."""

    tokenizer: Literal["basic_english"]
    max_vocabulary: int | None = Field(ge=1)
    """Most frequent words kept; null keeps all."""
    min_frequency: int = Field(ge=1)
    """A word seen less often in training is unknown."""
    max_tokens: int | None = Field(ge=1)
    """Longer reviews are cut; null keeps them whole."""
    truncate: Literal["head", "tail", "head_tail"]
    """What a cut keeps: the beginning, the end, or half of each."""


Pooling = Literal["last", "mean", "max"]


class SentimentRNNConfig(Section):
    """`pipeline.model.sentiment_rnn.SentimentRNN`."""

    network: Literal["sentiment_rnn"]
    output_size: int
    embedding_dim: int = Field(ge=1)
    hidden_dim: int = Field(ge=1)
    n_layers: int = Field(ge=1)
    drop_prob: Fraction
    """Dropout between recurrent layers."""
    cell: Literal["lstm", "gru", "rnn"]
    bidirectional: bool
    pooling: list[Pooling] = Field(min_length=1)
    """How the hidden states of all steps become one vector; several are joined."""
    word_dropout: Fraction
    """Share of words replaced by the unknown word in training."""
    embedding_dropout: Fraction
    """Dropout on word vectors, of the same entries throughout a review."""
    output_dropout: Fraction
    initialisation: Literal["torch", "orthogonal"]
    fixed_length: int | None = Field(ge=1)
    """The article's input: every review left-padded or cut to this many tokens. Null: any length, padding ignored."""

    @model_validator(mode="after")
    def _pooling_names_differ(self) -> "SentimentRNNConfig":
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("model.pooling names a pooling twice")
        return self


class BagOfWordsConfig(Section):
    """`pipeline.model.bag_of_words.BagOfWords`, a network without memory."""

    network: Literal["bag_of_words"]
    embedding_dim: int = Field(ge=1)
    word_dropout: Fraction
    output_dropout: Fraction


Model = SentimentRNNConfig | BagOfWordsConfig


class TrainingConfig(Section):
    """Optimiser, schedule and length of a training."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0)
    """Peak learning rate of AdamW."""
    beta2: float = Field(ge=0, lt=1)
    """How slowly AdamW forgets the size of past gradients."""
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "linear", "cosine"]
    """How the learning rate falls after the warm-up."""
    warmup: Fraction
    """Share of all steps in which the learning rate rises from 0."""
    gradient_clip: float | None = Field(gt=0)
    """Largest gradient norm."""
    ema_decay: float | None = Field(gt=0, lt=1)
    """Decay per step of the exponential moving average of the weights that is validated and kept; null: none."""
    patience: int | None = Field(ge=1)
    """Epochs without a better calibrated validation loss before training stops; null: never stop early."""
    max_reviews: int | None = Field(ge=2)
    """Use only so many reviews of a split (half of each label), for trials; null: all."""


class TrainerConfig(Section):
    """What the training runs on."""

    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["auto", "32-true", "bf16-mixed"]
    """`auto` is bf16-mixed where the processor or GPU computes in it, else 32-true."""
    threads: int | None = Field(ge=1)
    """Torch threads; null leaves torch's own choice, every core."""


class EvaluationConfig(Section):
    """How the held-out split is judged."""

    ece_bins: int = Field(ge=2)
    length_edges: list[int] = Field(min_length=1)
    """Upper edges, in words, of the length classes for which accuracy is reported."""
    baseline: bool
    """Also train and judge the TF-IDF + logistic regression baseline."""

    @model_validator(mode="after")
    def _edges_rise(self) -> "EvaluationConfig":
        if sorted(set(self.length_edges)) != self.length_edges or self.length_edges[0] < 1:
            raise ValueError("evaluation.length_edges must be positive and rise")
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
        return self


class RegistryConfig(Section):
    """When and as what a model is registered."""

    model_name: str = Field(pattern=r"^[^/:]+$")
    alpha: float = Field(gt=0, lt=1)
    """A difference from the champion with a smaller p-value (McNemar) is called more than chance."""
    checks: dict[str, CheckConfig]


class TrackingConfig(Section):
    """Where MLflow keeps runs."""

    experiment: str = Field(min_length=1)
    uri: str | None
    """MLflow tracking URI; null: a sqlite store in the project root. `MLFLOW_TRACKING_URI` wins over both."""
    system_metrics: bool


class Config(Section):
    """The whole configuration: one field for each folder of `conf/`, and the seed."""

    seed: int = Field(ge=0, lt=2**32)
    split: SplitConfig
    corpus: Corpus = Field(discriminator="kind")
    text: TextConfig
    model: Model = Field(discriminator="network")
    training: TrainingConfig
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    registry: RegistryConfig
    tracking: TrackingConfig


def validate(values: Any) -> Config:
    """Turn a composed dictionary into a `Config`.

    Raises:
        PipelineError: a key is unknown or missing, or a value has the wrong type or range; all are named in one line.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise PipelineError("; ".join(_describe(problem) for problem in error.errors())) from None


def _describe(problem: Any) -> str:
    # A discriminated union puts the chosen variant's tag into the location; users know only the key.
    tags = {"package", "archive", "files", "sentiment_rnn", "bag_of_words"}
    key = ".".join(str(part) for i, part in enumerate(problem["loc"]) if not (i == 1 and part in tags)) or "config"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; see the files under conf/ for the keys there are"
    if problem["type"] == "missing":
        return f"{key}: missing; set it (null where it does not apply)"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    return f"{key}: {problem['msg']}, got {problem['input']!r}"


def load_params(path: Path = WORKSPACE / "params.yaml") -> Config:
    """Read and validate the composed configuration that DVC stores.

    Raises:
        PipelineError: the file is missing, not YAML, or does not fit.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run `python -m pipeline.compose` to compose it from conf/") from None
    except yaml.YAMLError as error:
        raise PipelineError(f"{path} is not YAML ({str(error).splitlines()[0]}); delete it and compose anew") from None
    return validate(values)


def flatten(values: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Nested mappings as one, with joined keys: `{"model": {"cell": "gru"}}` becomes `{"model.cell": "gru"}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}{separator}{rest}": inner for rest, inner in flatten(value, separator).items()}
        else:
            flat[key] = value
    return flat
