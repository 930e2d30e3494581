"""Profile of a training step of the default recipe, by kind of operation."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.corpus import configuration
from benchmarks.fitting import first_batches, fit_steps
from benchmarks.machine import matmul_peak
from pipeline.config.model import SentimentRNNConfig
from pipeline.config.schema import Config
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.regions import RegionVectors
from pipeline.text.dataset import read_dataset_record
from pipeline.training.callbacks import MovingAverage
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained
from pipeline.training.trainer import LOG_EVERY_STEPS

KINDS: dict[str, tuple[str, ...]] = {
    "EMA": ("EMA",),
    "n-grams": ("n-grams",),
    "region vectors": ("region vectors",),
    "optimizer": ("_fused_adam", "Optimizer.zero_grad"),
    "data": ("enumerate(DataLoader)",),
    "LSTM backward": ("rnn_layer_backward", "MkldnnRnnLayerBackward"),
    "LSTM forward": ("aten::lstm", "aten::gru", "aten::rnn"),
    "embedding": ("aten::embedding", "EmbeddingBackward"),
    "reversing": ("_Reversal",),
    "pooling": ("aten::max", "MaxBackward", "MaximumBackward", "masked_fill", "MaskedFill", "aten::sum", "SumBackward"),
    "gradient clipping": ("_foreach_norm", "linalg_vector_norm", "_foreach_mul"),
}
"""Names of the events of each kind. An event and everything within it belongs to the first kind that matches, from the
outermost event inwards."""
CLOSURE = "Optimizer.step"
"""Event within which Lightning runs the whole step; its own time, without the events it contains, is Python's."""
OTHER, PYTHON = "other operations", "Lightning and Python"


class Window:
    """`log_metrics` that profiles from the first logged training step to a later one."""

    def __init__(self, last: int) -> None:
        self.seconds = 0.0
        """Processor time."""
        self.elapsed = 0.0
        """The same by the clock, as the events count it."""
        self.steps = last - (LOG_EVERY_STEPS - 1)
        self._last, self._profile = last, profile(activities=[ProfilerActivity.CPU])

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Start or stop at a logged point."""
        if "train/loss" not in metrics:
            return
        if step == LOG_EVERY_STEPS - 1:
            self._profile.start()
            self.seconds, self.elapsed = -time.process_time(), -time.perf_counter()
        elif step == self._last:
            self.seconds, self.elapsed = self.seconds + time.process_time(), self.elapsed + time.perf_counter()
            self._profile.stop()

    @property
    def events(self) -> list[FunctionEvent]:
        """Recorded events."""
        return list(self._profile.events() or [])  # type: ignore[no-untyped-call]


def measure(dataset: Path, pretrained: Path, *, steps: int = 60, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Profile a training of the default recipe on the CPU.

    Args:
        dataset: as `preprocess` wrote it.
        pretrained: as `pretrain` wrote it.
        steps: steps of the training, a multiple of ten; the first ten warm up.
        overrides: overrides of the configuration, for trying it out.

    Returns:
        CPU time of a step in seconds; share of each kind; operations per second of the LSTM's matrix products (a
        multiplication and an addition count as two, the backward pass as twice the forward pass); the machine's peak.
    """
    config = configuration("trainer=cpu", *overrides)
    weights = load_pretrained(pretrained, config.pretraining, read_dataset_record(dataset).digest)
    precision = resolve_hardware(config.trainer).precision
    window = Window(steps - 1)
    with (
        _named(MovingAverage, "on_train_batch_end", "EMA"),
        _named(NgramLogOdds, "forward", "n-grams"),
        _named(RegionVectors, "forward", "region vectors"),
    ):
        fit_steps(config, dataset, weights, steps, window)
    parts = shares(window.events, window.elapsed)
    flops = lstm_flops(config, dataset, range(LOG_EVERY_STEPS, steps)) / window.seconds
    return {
        "precision": precision,
        "batch_size": config.training.batch_size,
        "seconds_per_step": window.seconds / window.steps,
        "shares": parts,
        "peak_flops": matmul_peak(torch.bfloat16 if precision == "bf16-mixed" else torch.float32),
        "lstm_flops": flops / (parts["LSTM forward"] + parts["LSTM backward"]),
        "step_flops": flops,
    }


def shares(events: list[FunctionEvent], total: float) -> dict[str, float]:
    """Return the share of each kind of operation in a time in seconds; the rest of it is Python's."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if event.name.startswith(CLOSURE):
            continue
        seconds[_kind(event)] += event.self_cpu_time_total / 1e6
    seconds[PYTHON] = max(0.0, total - sum(seconds.values()))
    return {kind: part / total for kind, part in sorted(seconds.items(), key=lambda item: -item[1])}


def _kind(event: FunctionEvent) -> str:
    names = []
    ancestor: FunctionEvent | None = event
    while ancestor is not None:
        names.append(ancestor.name)
        ancestor = ancestor.cpu_parent
    for name in reversed(names):
        for kind, parts in KINDS.items():
            if any(part in name for part in parts):
                return kind
    return OTHER


def lstm_flops(config: Config, dataset: Path, steps: range) -> float:
    """Count the operations of the recurrent layers' matrix products in these training steps, padding included."""
    model = config.model
    assert isinstance(model, SentimentRNNConfig)
    batches = islice(first_batches(config, dataset, steps.stop), steps.start, None)
    tokens: int = sum(batch.reviews.excerpt(model.max_length).ids.numel() for batch in batches)
    regions = config.pretraining.two_view
    inputs = model.embedding_dim + (regions.dimension if regions else 0) + (model.n_layers - 1) * model.hidden_dim
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[model.cell]
    forward = 2 * gates * model.hidden_dim * (inputs + model.n_layers * model.hidden_dim)
    return 3 * forward * tokens * (2 if model.bidirectional else 1)


@contextmanager
def _named(owner: type, method: str, name: str) -> Iterator[None]:
    """Record calls of a method under a name in the profile."""
    original: Callable[..., Any] = getattr(owner, method)

    def named(*arguments: Any, **keywords: Any) -> Any:
        with record_function(name):
            return original(*arguments, **keywords)

    with patch.object(owner, method, named):
        yield
