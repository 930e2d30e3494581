"""Tiny trainings: overrides, a dataset folder, and calls of `fit` and pre-training without DVC and MLflow."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.labels import LABELS
from pipeline.config.schema import Config
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.training import checkpoints
from pipeline.training.fit import FitResult, fit
from pipeline.training.hardware import resolve_hardware
from pipeline.training.language_model import pretrain_language_model
from pipeline.training.launcher import ignore_metrics
from pipeline.training.loggers import LogMetrics
from pipeline.training.two_view import pretrain_regions
from tests.conftest import describe_dataset, reviews

TINY = (
    *("training.epochs=3", "training.batch_size=16", "training.lr=1e-2", "training.ema_decay=0.9"),
    *("model.embedding_dim=8", "model.hidden_dim=8", "model.wide.bits=12"),
    *("model.word_dropout=0.1", "model.drop_prob=0.2"),
    *("trainer.threads=1", "trainer.precision=32-true", "trainer.accelerator=cpu"),
)
PRETRAINED = (
    "pretraining=language_model",
    "pretraining.language_model.cutoffs=[10,30]",
    "pretraining.language_model.validations_per_epoch=2",
)
REGIONS = (
    "pretraining.two_view.dimension=6",
    "pretraining.two_view.batch_size=32",
    "pretraining.two_view.negative_samples=8",
    "pretraining.two_view.excluded_words=3",
    "pretraining.two_view.min_count=2",
)

Pretrained = tuple[dict[str, Tensor], list[dict[str, float]]]
"""Weights and learning curve."""


def write_dataset(
    folder: Path, config: Config, train_rows: int, unlabelled_rows: int = 0, auxiliary_rows: int = 0
) -> Path:
    """Write a dataset folder as `preprocess` does: the first reviews to train on, the others for validation.

    The last reviews to train on become auxiliary texts.
    """
    rows, batches = reviews(), []
    own_rows = train_rows - auxiliary_rows
    parts = {"train": rows[:own_rows], "auxiliary": rows[own_rows:train_rows], "validation": rows[train_rows:]}
    for split, part in parts.items():
        if not part:
            continue
        labels = pa.array([label == "good" for _, label in part]).cast(pa.int8())
        batches.append((split, pa.record_batch({"text": [text for text, _ in part], "label": labels})))
    if unlabelled_rows:
        texts = [text for text, _ in rows[:unlabelled_rows]]
        batches.append(("unlabelled", pa.record_batch({"text": texts})))
    describe_dataset(folder, text=config.text.model_dump())
    encode_corpus(folder, config.text, [batches], map, LABELS)
    return folder


def train(
    config: Config, dataset: Path, checkpoints: Path, log_metrics: LogMetrics = ignore_metrics, **start: Any
) -> FitResult:
    """Call `fit` with the hardware of the configuration; `start` may be `pretrained` or `pseudo_labels`."""
    return fit(config, dataset, resolve_hardware(config.trainer), checkpoints, log_metrics, **start)


def train_language_model(
    config: Config, dataset: Path, checkpoints: Path, log_metrics: LogMetrics = ignore_metrics
) -> Pretrained:
    """Call `pretrain_language_model` with the hardware of the configuration."""
    return pretrain_language_model(
        config.pretraining.language_model, dataset, resolve_hardware(config.trainer), checkpoints, log_metrics
    )


def train_regions(
    config: Config, dataset: Path, checkpoints: Path, log_metrics: LogMetrics = ignore_metrics
) -> Pretrained:
    """Call `pretrain_regions` with the hardware of the configuration."""
    assert config.pretraining.two_view is not None
    return pretrain_regions(
        config.pretraining.two_view, dataset, resolve_hardware(config.trainer), checkpoints, log_metrics
    )


def stop_and_resume(pretrain: Callable[[LogMetrics], Pretrained]) -> Pretrained:
    """Interrupt a pre-training at its second validation and start it again; return what it ends with.

    It saves a checkpoint after each step, so that all but the last one before the validation must not be done again.
    """
    validations: list[int] = []

    def interrupt(metrics: Mapping[str, float], step: int) -> None:
        validations.extend([step] if "val/loss" in metrics else [])
        if len(validations) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoints, "WITHIN_EPOCH_EVERY", timedelta(0))
        pretrain(interrupt)
    steps: list[int] = []
    resumed = pretrain(lambda _metrics, step: steps.append(step))
    assert min(steps) >= validations[1], "what was saved was trained again"
    return resumed


def weights(result: FitResult) -> dict[str, NDArray[Any]]:
    """Return the weights of the trained network by name."""
    return {name: tensor.numpy() for name, tensor in result.network.state_dict().items()}
