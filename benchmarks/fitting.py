"""One training by the pipeline's own path, timed step by step."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config import Config
from pipeline.runtime.errors import PipelineError
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.fit import fit
from pipeline.training.hardware import resolve_hardware


class Clock:
    """Notes when steps were logged; the first of them ends the warm-up."""

    def __init__(self) -> None:
        self._points: list[tuple[int, float]] = []

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Take a logged point."""
        if "train/loss" in metrics:
            self._points.append((step, time.perf_counter()))

    @property
    def steps_per_second(self) -> float:
        """Between the first logged step and the last.

        Raises:
            PipelineError: fewer than two steps were logged.
        """
        if len(self._points) < 2:
            raise PipelineError("the training is too short to be timed; give it more reviews")
        (first, started), (last, ended) = self._points[0], self._points[-1]
        return (last - first) / (ended - started)


def fit_quietly(config: Config, dataset: Path, log_metrics: Callable[[Mapping[str, float], int], None]) -> None:
    """Train as `pipeline.train` does, keeping nothing; `log_metrics` gets every point."""
    vocab_size = len(Vocabulary.load(dataset / "vocab.json"))
    with tempfile.TemporaryDirectory() as checkpoints:
        fit(config, dataset, vocab_size, resolve_hardware(config.trainer), Path(checkpoints), log_metrics)


def reviews_per_second(config: Config, dataset: Path) -> float:
    """Reviews trained on per second, once warm: loading, padding, training and logging, without validation."""
    clock = Clock()
    fit_quietly(config, dataset, clock)
    return clock.steps_per_second * config.training.batch_size
