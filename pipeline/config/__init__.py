"""Typed, validated configuration.

Hydra composes `conf/` into one dictionary, DVC stores it as `params.yaml`, and every command turns it into a `Config`
before it does any work: an unknown key, a wrong type or a value out of range stops the run with one line that names it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import Repr
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from pipeline.config.corpus import (
    ArchiveCorpus,
    Corpus,
    FilesCorpus,
    Labels,
    LabelValues,
    PackageCorpus,
    SplitConfig,
)
from pipeline.config.judgement import (
    LENGTH,
    SLICES,
    UNKNOWN_WORDS,
    CheckConfig,
    ContrastConfig,
    EvaluationConfig,
    MemoryLadderConfig,
    RegistryConfig,
    TrackingConfig,
)
from pipeline.config.model import BagOfWordsConfig, Model, SentimentRNNConfig, require_embedding_dim
from pipeline.config.section import Section, Seed
from pipeline.config.sweep import SweepConfig
from pipeline.config.text import FileVectors, PackageVectors, TextConfig, Vectors
from pipeline.config.training import (
    LanguageModelConfig,
    NoPretraining,
    OptimizerConfig,
    Pretraining,
    PseudoLabelsConfig,
    TrainerConfig,
    TrainingConfig,
)
from pipeline.runtime.credentials import refusal_of, secret_keys
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import PARAMS

__all__ = [
    "LENGTH",
    "UNKNOWN_WORDS",
    "ArchiveCorpus",
    "BagOfWordsConfig",
    "CheckConfig",
    "Config",
    "ContrastConfig",
    "Corpus",
    "EvaluationConfig",
    "FileVectors",
    "FilesCorpus",
    "LabelValues",
    "Labels",
    "LanguageModelConfig",
    "MemoryLadderConfig",
    "Model",
    "NoPretraining",
    "OptimizerConfig",
    "PackageCorpus",
    "PackageVectors",
    "Pretraining",
    "PseudoLabelsConfig",
    "Section",
    "SentimentRNNConfig",
    "SplitConfig",
    "SweepConfig",
    "TextConfig",
    "TrackingConfig",
    "TrainerConfig",
    "TrainingConfig",
    "Vectors",
    "flatten",
    "load_params",
    "read_params",
    "require_embedding_dim",
    "require_same",
    "validate",
]

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 200
"""Shows a wrong value: YAML's aliases let a few lines stand for more than a terminal, or memory, holds."""


KIND = re.compile(r"list\[.*\]|bool|int|float|str")
"""What pydantic puts into the place of an error where a value may be of several kinds."""


class Config(Section):
    """The whole configuration: one field for each folder of `conf/`, and the seed."""

    seed: Seed
    split: SplitConfig
    corpus: Corpus = Field(discriminator="kind")
    text: TextConfig
    model: Model = Field(discriminator="network")
    pretraining: Pretraining = Field(discriminator="method")
    pseudo_labels: PseudoLabelsConfig
    training: TrainingConfig
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    registry: RegistryConfig
    tracking: TrackingConfig
    sweep: SweepConfig

    @model_validator(mode="after")
    def _slices_are_there(self) -> "Config":
        kept = self.corpus.keep_columns if isinstance(self.corpus, FilesCorpus) else []
        for name in self.evaluation.slices:
            if name not in (*SLICES, *kept):
                raise ValueError(
                    f"evaluation.slices names {name!r}, which is neither {' nor '.join(SLICES)} nor among "
                    f"corpus.keep_columns, {kept}; keep the column, or leave the slice out"
                )
        return self


def validate(values: Any) -> Config:
    """Turn a composed dictionary into a `Config`.

    Raises:
        PipelineError: a value holds a password, token or key, which params.yaml and MLflow would keep; or a key is
            unknown or missing, or a value has the wrong type or range. All are named in one line.
    """
    try:
        if secret := secret_keys(values):
            raise PipelineError("; ".join(map(refusal_of, secret)))
        return Config.model_validate(values)
    except ValidationError as error:
        raise PipelineError("; ".join(_describe(problem) for problem in error.errors())) from None
    except RecursionError:
        raise PipelineError("config: is nested too deep, or holds itself; see the files under conf/") from None


def _describe(problem: Any) -> str:
    # A discriminated union puts the chosen variant's tag into the location; users know only the key.
    unions = {("corpus",), ("text", "vectors"), ("model",), ("pretraining",)}
    parts = [str(part) for i, part in enumerate(problem["loc"]) if problem["loc"][:i] not in unions]
    if problem["type"] != "extra_forbidden":
        parts = [part for part in parts if not KIND.fullmatch(part)]
    key = ".".join(parts) or "config"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; see the files under conf/ for the keys there are"
    if problem["type"] == "missing":
        return f"{key}: missing; set it (null where it does not apply)"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    return f"{key}: {problem['msg']}, got {_SHORT.repr(problem['input'])}"


def load_params(path: Path = PARAMS) -> Config:
    """Read and validate the composed configuration that DVC stores.

    Raises:
        PipelineError: the file is missing, not YAML, or does not fit.
    """
    return validate(read_params(path))


def read_params(path: Path) -> Any:
    """Read the composed configuration as it is.

    Raises:
        PipelineError: the file is missing or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run `python -m pipeline.compose` to compose it from conf/") from None
    # of a date or number that cannot be, PyYAML says so with Python's own errors
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PipelineError(f"{path} is not YAML ({str(error).splitlines()[0]}); delete it and compose anew") from None


def flatten(values: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Nested mappings as one, with joined keys: `{"model": {"cell": "gru"}}` becomes `{"model.cell": "gru"}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}{separator}{rest}": inner for rest, inner in flatten(value, separator).items()}
        else:
            flat[key] = value
    return flat


def require_same(asked: Mapping[str, Any], made: Mapping[str, Any], folder: Path, remedy: str) -> None:
    """Refuse a folder that was made with another configuration than is asked for; files' fingerprints may differ.

    Args:
        asked: the sections that matter.
        made: the same, as the folder was made with.
        folder: named in the error.
        remedy: ends the error.

    Raises:
        PipelineError: they differ; names the first key that does.
    """
    wanted, present = flatten(asked), flatten(made)
    for key in wanted | present:
        if not key.endswith(".fingerprint") and wanted.get(key) != present.get(key):
            raise PipelineError(
                f"{key}: {wanted.get(key)!r} is asked for, but {folder} was made with {present.get(key)!r}; {remedy}"
            )
