"""The schema of the whole configuration, and its validation.

Hydra composes `conf/` into one dictionary, DVC stores it as `params.yaml`, and every command turns it into a `Config`
before it does any work: an unknown key, a wrong type or a value out of range stops the run with one line that names it.
"""

import re
from importlib import import_module
from reprlib import Repr
from typing import Any

from pydantic import Field, ValidationError, model_validator

from pipeline.config.corpus import Corpus, FilesCorpus
from pipeline.config.debug import DebugConfig
from pipeline.config.evaluation import SLICES, EvaluationConfig
from pipeline.config.logger import LoggerConfig
from pipeline.config.model import BagOfWordsConfig, Model, SentimentRNNConfig
from pipeline.config.objective import unknown_class
from pipeline.config.pretraining import PretrainingConfig
from pipeline.config.pseudo_labels import PseudoLabelsConfig
from pipeline.config.registry import RegistryConfig
from pipeline.config.section import Section, Seed
from pipeline.config.split import SplitConfig
from pipeline.config.sweep import SweepConfig
from pipeline.config.text import TextConfig
from pipeline.config.tracking import TrackingConfig
from pipeline.config.trainer import TrainerConfig
from pipeline.config.training import TrainingConfig
from pipeline.runtime.credentials import refusal_of, secret_keys
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.suggestion import did_you_mean

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 200
"""Shows a wrong value: YAML's aliases let a few lines stand for more than a terminal, or memory, holds."""


KIND = re.compile(r"(list|dict|literal)\[.*\]|bool|int|float|str")
"""Parts of an error's location that pydantic adds where a value may have one of several types."""


class Config(Section):
    """The whole configuration: one field for each folder of `conf/`, and the sections of conf/config.yaml."""

    seed: Seed
    """Seed of training: initial weights, order of the reviews, dropout."""
    split: SplitConfig
    """Held-out splits, for a corpus that has none of its own."""
    corpus: Corpus = Field(discriminator="kind")
    """Reviews to train on."""
    text: TextConfig
    """Text processing: from a review to token ids."""
    model: Model = Field(discriminator="network")
    """Network."""
    pretraining: PretrainingConfig
    """Pre-training without labels, before the training on labelled reviews."""
    pseudo_labels: PseudoLabelsConfig
    """Self-training: teachers label the unlabelled reviews, and the network is trained on these as well."""
    training: TrainingConfig
    """Training on labelled reviews."""
    trainer: TrainerConfig
    """Hardware to train on."""
    debug: DebugConfig | None
    """Debugging: a shortened or altered training; for trials only, never for the pipeline."""
    logger: LoggerConfig
    """Loggers in addition to MLflow, one or several: logger=csv, logger=[csv,tensorboard]."""
    evaluation: EvaluationConfig
    """Evaluation on held-out reviews."""
    registry: RegistryConfig
    """Registration of the model in MLflow."""
    tracking: TrackingConfig
    """MLflow tracking."""
    sweep: SweepConfig
    """Handling of a sweep's finished trials, which changes no result: docs/sweep.md."""

    @model_validator(mode="after")
    def _model_has_an_output_for_each_class(self) -> "Config":
        classes = len(self.corpus.classes)
        if isinstance(self.model, SentimentRNNConfig) and self.model.output_size == 1 and classes > 2:
            raise ValueError(
                f"model.output_size: is 1, as in the article's network, for two classes, but corpus.labels names "
                f"{classes}; choose model=sentiment_rnn, or set model.output_size=null"
            )
        return self

    @model_validator(mode="after")
    def _model_can_take_what_pretraining_brings(self) -> "Config":
        model, language_model = self.model, self.pretraining.language_model
        if isinstance(model, BagOfWordsConfig) and self.pretraining.methods:
            raise ValueError(
                f"pretraining.{next(iter(self.pretraining.methods))} goes with a network of recurrent layers, and "
                f"model.network is {model.network}; set pretraining=none, or choose model=sentiment_rnn"
            )
        if language_model is not None:
            for key in ("embedding_dim", "hidden_dim", "n_layers", "cell", "bidirectional"):
                learned, needed = getattr(language_model, key), getattr(model, key)
                if learned != needed:
                    raise ValueError(
                        f"pretraining.language_model.{key}: is {learned}, but the model, which starts from the "
                        f"weights, has {needed}; set model.{key} alone"
                    )
            if self.text.vectors is not None:
                raise ValueError(
                    "text.vectors: pretraining.language_model learns word vectors of its own, which would replace "
                    "them; set text/vectors=none, or choose another pretraining"
                )
        return self

    @model_validator(mode="after")
    def _names_of_classes_are_theirs(self) -> "Config":
        classes = self.corpus.classes
        if problem := self.evaluation.objective.problem(classes):
            raise ValueError(problem)
        trainings = {"training": self.training, "pseudo_labels.teacher": self.pseudo_labels.teacher}
        for section, training in trainings.items():
            weights = None if training is None else training.class_weights
            for name in weights if isinstance(weights, dict) else ():
                if name not in classes:
                    raise ValueError(f"{section}.class_weights: {unknown_class(name, classes)}")
        return self

    @model_validator(mode="after")
    def _teachers_go_without_folds(self) -> "Config":
        if (teacher := self.pseudo_labels.teacher) is None:
            return self
        if self.training.folds is not None:
            raise ValueError(
                "training.folds: the teachers of pseudo_labels know the labels of every fold; set pseudo_labels=none"
            )
        if teacher.folds is not None:
            raise ValueError("pseudo_labels.teacher.folds: a teacher learns from all reviews; set it to null")
        return self

    @model_validator(mode="after")
    def _slices_are_there(self) -> "Config":
        kept = self.corpus.keep_columns if isinstance(self.corpus, FilesCorpus) else []
        for name in self.evaluation.slices:
            if name in SLICES and name in kept:
                raise ValueError(
                    f"evaluation.slices names {name!r}, which is a slice of the pipeline's own and among "
                    "corpus.keep_columns; rename the column, or do not keep it"
                )
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
    unions = {("corpus",), ("text", "vectors"), ("model",)}
    parts = [str(part) for i, part in enumerate(problem["loc"]) if problem["loc"][:i] not in unions]
    if problem["type"] != "extra_forbidden":
        parts = [part for part in parts if not KIND.fullmatch(part)]
    key = ".".join(parts) or "config"
    if problem["type"] == "extra_forbidden":
        # no import statement: registered models hold this module, and not that one, of which they have no need
        meant = import_module("pipeline.config.reference").meant_key(key)
        return f"{key}: unknown key, docs/configuration.md lists them{meant}"
    context = problem.get("ctx", {})
    if problem["type"].startswith("union_tag"):  # what is wrong is not the union, but the key that chooses its variant
        key += "." + context["discriminator"].strip("'")
    if problem["type"] in {"missing", "union_tag_not_found"}:
        return f"{key}: missing; set it (null where it does not apply)"
    if problem["type"] == "value_error":
        return f"{key}: {context['error']}"
    if problem["type"] == "union_tag_invalid":
        given, message = context["tag"], f"must be one of {context['expected_tags']}"
    else:
        given, message = problem["input"], problem["msg"]
    choices = re.findall(r"'(.+?)'", context.get("expected_tags") or context.get("expected", ""))
    return f"{key}: {message}, got {_SHORT.repr(given)}{did_you_mean(str(given), choices)}"
