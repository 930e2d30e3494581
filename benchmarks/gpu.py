"""GPU: tokens per second of our training and inference, and of a bare cuDNN LSTM loop with the same shapes."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.corpus import configuration
from benchmarks.fitting import Clock, first_batches, fit_steps
from benchmarks.measuring import Figure, alternate
from benchmarks.training import OURS
from pipeline.config.schema import Config
from pipeline.networks.build import build_network
from pipeline.text.vocabulary import Vocabulary

PRECISIONS = ("32-true", "bf16-mixed")
WARM_UP = 10
STEPS = 100
"""Batches of a measurement; the first `WARM_UP` do not count."""

Batches = list[tuple[Tensor, Tensor, Tensor]]


class BareNetwork(nn.Module):
    """Embedding, cuDNN's LSTM and a linear layer on the last column."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 400)
        self.lstm = nn.LSTM(400, 256, 2, dropout=0.5, batch_first=True)
        self.fc = nn.Linear(256, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Return log-odds [batch] of ids [batch, time]."""
        states, _ = self.lstm(self.embedding(ids))  # [batch, time, hidden]
        logits: Tensor = self.fc(states[:, -1]).squeeze(1)
        return logits


def compare(dataset: Path, *, rounds: int = 5) -> list[Figure]:
    """Return our tokens per second as a share of the bare loop's, for both precisions."""
    figures = []
    for precision in PRECISIONS:
        for task, measure in (("training", _training), ("inference", _inference)):
            name = f"GPU {task}, {precision}"
            if not torch.cuda.is_available():
                note = {"note": "no GPU on this machine"}
                figures.append(Figure(name, None, "at least", 0.9, "of a bare cuDNN loop", note))
                continue
            config = configuration(*OURS, "trainer=gpu", f"trainer.precision={precision}")
            vocab_size = len(Vocabulary.load(dataset / "vocab.json"))
            medians = alternate(name, measure(config, dataset, vocab_size), rounds)
            details = {f"{side}_tokens_per_second": speed for side, speed in medians.items()}
            value = medians["ours"] / medians["bare"]
            figures.append(Figure(name, value, "at least", 0.9, "of a bare cuDNN loop", details))
    return figures


def _batches(config: Config, dataset: Path) -> Batches:
    batches = []
    for (ids, lengths, _), labels, *_ in first_batches(config, dataset, STEPS):
        assert lengths is not None
        batches.append((ids.cuda(), lengths.cuda(), labels.cuda()))
    return batches


def _training(config: Config, dataset: Path, vocab_size: int) -> dict[str, Callable[[], float]]:
    batches = _batches(config, dataset)
    autocast = partial(torch.autocast, "cuda", torch.bfloat16, enabled=config.trainer.precision == "bf16-mixed")

    def bare() -> float:
        network = BareNetwork(vocab_size).cuda().train()
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)

        def step(ids: Tensor, labels: Tensor) -> None:
            with autocast():
                loss = binary_cross_entropy_with_logits(network(ids).float(), labels.float())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5)
            optimizer.step()

        return _tokens_per_second(lambda ids, _, labels: step(ids, labels), batches)

    def ours() -> float:
        clock = Clock()
        fit_steps(config, dataset, None, STEPS, clock)
        timed = batches[WARM_UP:]
        return clock.steps_per_second * sum(ids.numel() for ids, _, _ in timed) / len(timed)

    return {"bare": bare, "ours": ours}


def _inference(config: Config, dataset: Path, vocab_size: int) -> dict[str, Callable[[], float]]:
    batches = _batches(config, dataset)
    autocast = partial(torch.autocast, "cuda", torch.bfloat16, enabled=config.trainer.precision == "bf16-mixed")
    plain, network = BareNetwork(vocab_size).cuda().eval(), build_network(config.model, vocab_size).cuda().eval()

    @torch.inference_mode()
    def bare() -> float:
        with autocast():
            return _tokens_per_second(lambda ids, _lengths, _labels: plain(ids), batches)

    @torch.inference_mode()
    def ours() -> float:
        with autocast():
            return _tokens_per_second(lambda ids, lengths, _labels: network.logits(ids, None, lengths), batches)

    return {"bare": bare, "ours": ours}


def _tokens_per_second(step: Callable[[Tensor, Tensor, Tensor], object], batches: Batches) -> float:
    for batch in batches[:WARM_UP]:
        step(*batch)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for batch in batches[WARM_UP:]:
        step(*batch)
    torch.cuda.synchronize()
    return sum(ids.numel() for ids, _, _ in batches[WARM_UP:]) / (time.perf_counter() - started)
