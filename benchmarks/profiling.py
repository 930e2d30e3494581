"""Profile of a training step of the default recipe, by kind of operation."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.corpus import configuration
from benchmarks.fitting import fit_quietly
from benchmarks.machine import matmul_peak
from pipeline.config.model import SentimentRNNConfig
from pipeline.config.schema import Config
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.training.callbacks import MovingAverage
from pipeline.training.data_module import ReviewDataModule
from pipeline.training.hardware import resolve_hardware
from pipeline.training.trainer import LOG_EVERY_STEPS

KINDS: dict[str, tuple[str, ...]] = {
    "EMA": ("EMA",),
    "n-grams": ("n-grams",),
    "optimizer": ("_fused_adam", "Optimizer.zero_grad"),
    "data": ("enumerate(DataLoader)",),
    "LSTM backward": ("rnn_layer_backward", "MkldnnRnnLayerBackward"),
    "LSTM forward": ("aten::lstm", "aten::gru", "aten::rnn"),
    "embedding": ("aten::embedding", "EmbeddingBackward"),
    "reversing": ("aten::flip", "aten::index", "IndexBackward", "FlipBackward"),
    "pooling": ("amax", "Amax", "masked_fill", "MaskedFill", "aten::sum", "aten::mean", "SumBackward"),
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
        self.steps = last - (LOG_EVERY_STEPS - 1)
        self._last, self._profile = last, profile(activities=[ProfilerActivity.CPU])

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Start or stop at a logged point."""
        if "train/loss" not in metrics:
            return
        if step == LOG_EVERY_STEPS - 1:
            self._profile.start()
            self.seconds = -time.perf_counter()
        elif step == self._last:
            self.seconds += time.perf_counter()
            self._profile.stop()

    @property
    def events(self) -> list[FunctionEvent]:
        """Recorded events."""
        return list(self._profile.events() or [])  # type: ignore[no-untyped-call]


def measure(dataset: Path, *, steps: int = 40, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Profile a training of the default recipe on the CPU.

    Args:
        dataset: as `preprocess` wrote it.
        steps: steps of the training, a multiple of ten; the first ten warm up.
        overrides: overrides of the configuration, for trying it out.

    Returns:
        seconds per step; share of each kind; operations per second of the LSTM's matrix products (a multiplication and
        an addition count as two, the backward pass as twice the forward pass); the machine's peak.
    """
    config = configuration("trainer=cpu", "training.epochs=1", *overrides)
    reviews = steps * config.training.batch_size
    config = config.model_copy(update={"training": config.training.model_copy(update={"max_reviews": reviews})})
    precision = resolve_hardware(config.trainer).precision
    window = Window(steps - 1)
    with _named(MovingAverage, "on_train_batch_end", "EMA"), _named(NgramLogOdds, "forward", "n-grams"):
        fit_quietly(config, dataset, window)
    seconds = shares(window.events, window.seconds)
    flops = lstm_flops(config, dataset, range(LOG_EVERY_STEPS, steps))
    lstm = seconds["LSTM forward"] + seconds["LSTM backward"]
    return {
        "precision": precision,
        "batch_size": config.training.batch_size,
        "seconds_per_step": window.seconds / window.steps,
        "shares": {kind: part / window.seconds for kind, part in seconds.items()},
        "peak_flops": matmul_peak(torch.bfloat16 if precision == "bf16-mixed" else torch.float32),
        "lstm_flops": flops / lstm,
        "step_flops": flops / window.seconds,
    }


def shares(events: list[FunctionEvent], total: float) -> dict[str, float]:
    """Return the seconds of each kind of operation; the rest of `total` is Python's."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if event.name.startswith(CLOSURE):
            continue
        seconds[_kind(event)] += event.self_cpu_time_total / 1e6
    seconds[PYTHON] = max(0.0, total - sum(seconds.values()))
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


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
    data = ReviewDataModule(
        dataset,
        batch_size=config.training.batch_size,
        fixed_length=model.fixed_length,
        max_reviews=config.training.max_reviews,
        seed=config.seed,
    )
    tokens: int = sum(batch.reviews.ids.numel() for i, batch in enumerate(data.train_dataloader()) if i in steps)
    inputs = model.embedding_dim + (model.n_layers - 1) * model.hidden_dim
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
