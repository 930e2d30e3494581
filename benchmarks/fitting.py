"""The beginning of a training with the pipeline's own code, timed step by step."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from torch import Tensor

from benchmarks.measuring import seconds
from pipeline.config.schema import Config
from pipeline.runtime.errors import PipelineError
from pipeline.training.batches import LabelledBatch
from pipeline.training.fit import build_data_module, fit
from pipeline.training.hardware import resolve_hardware

Weights = Mapping[str, Tensor] | None
"""Pre-trained weights, as `load_pretrained` returns them."""


class Clock:
    """`log_metrics` that notes the time of each logged step; the first one ends the warm-up."""

    def __init__(self) -> None:
        self._points: list[tuple[int, float]] = []

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Note the time if the point is that of a training step."""
        if "train/loss" in metrics:
            self._points.append((step, seconds()))

    @property
    def steps_per_second(self) -> float:
        """Steps per second between the first logged step and the last.

        Raises:
            PipelineError: fewer than two steps were logged.
        """
        if len(self._points) < 2:
            raise PipelineError("the training is too short to be timed; use more reviews")
        (first, started), (last, ended) = self._points[0], self._points[-1]
        return (last - first) / (ended - started)


def first_batches(config: Config, dataset: Path, steps: int) -> Iterator[LabelledBatch]:
    """Yield the batches of the first steps of a training, those that `fit_steps` trains on."""
    yield from islice(build_data_module(config, dataset).train_dataloader(), steps)


class _EnoughError(Exception):
    """Ends a training after the steps that were asked for."""


def fit_steps(
    config: Config,
    dataset: Path,
    pretrained: Weights,
    steps: int,
    log_metrics: Callable[[Mapping[str, float], int], None],
) -> None:
    """Train as `pipeline.train` does, but keep nothing, and end after `steps` steps, a multiple of ten.

    All reviews are there: of few, the n-grams would not be trained, and batches would have another mix of lengths.
    `log_metrics` receives every point.
    """

    def log_until_enough(metrics: Mapping[str, float], step: int) -> None:
        log_metrics(metrics, step)
        if step == steps - 1 and "train/loss" in metrics:
            raise _EnoughError

    with tempfile.TemporaryDirectory() as checkpoints, suppress(_EnoughError):
        fit(config, dataset, resolve_hardware(config.trainer), Path(checkpoints), log_until_enough, pretrained)


def reviews_per_second(config: Config, dataset: Path, pretrained: Weights, steps: int) -> float:
    """Return the reviews trained on per second after the warm-up: loading, padding, training and logging.

    Validation is not included.
    """
    clock = Clock()
    fit_steps(config, dataset, pretrained, steps, clock)
    return clock.steps_per_second * config.training.batch_size
