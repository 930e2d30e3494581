"""The beginning of a training with the pipeline's own code, timed step by step."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from benchmarks.measuring import seconds
from pipeline.config.debug import NO_DEBUG
from pipeline.config.schema import Config
from pipeline.runtime.errors import PipelineError
from pipeline.training.fit import fit
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


def fit_steps(
    config: Config,
    dataset: Path,
    pretrained: Weights,
    steps: int,
    log_metrics: Callable[[Mapping[str, float], int], None],
) -> None:
    """Train as `pipeline.train` does, but only the first steps, and keep nothing; `log_metrics` receives every point.

    All reviews are there: of few, other n-grams would be trained, and batches would have another mix of lengths.
    """
    first = NO_DEBUG.model_copy(update={"limit_batches": steps, "epochs": 1})
    with tempfile.TemporaryDirectory() as checkpoints:
        fit(
            config.model_copy(update={"debug": first}),
            dataset,
            resolve_hardware(config.trainer),
            Path(checkpoints),
            log_metrics,
            pretrained,
        )


def reviews_per_second(config: Config, dataset: Path, pretrained: Weights, steps: int) -> float:
    """Return the reviews trained on per second after the warm-up: loading, padding, training and logging.

    Validation is not included.
    """
    clock = Clock()
    fit_steps(config, dataset, pretrained, steps, clock)
    return clock.steps_per_second * config.training.batch_size
