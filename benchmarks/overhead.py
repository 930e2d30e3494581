"""Overhead of Lightning, logging and data loading: our training, and a bare loop over the same batches."""

import math
from functools import partial
from pathlib import Path

import torch

from benchmarks.corpus import configuration
from benchmarks.fitting import Weights, first_batches, reviews_per_second
from benchmarks.measuring import Figure, alternate, seconds
from pipeline.config.schema import Config
from pipeline.networks.build import build_network, deep_path
from pipeline.networks.likelihood import LOGISTIC
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.text.dataset import read_dataset_record
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.callbacks import move_averages
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained, start_from_pretrained
from pipeline.training.trainer import LOG_EVERY_STEPS


def compare(
    dataset: Path, pretrained: Path, *, rounds: int = 3, steps: int = 50, overrides: tuple[str, ...] = ()
) -> list[Figure]:
    """Measure by which share a step of the default recipe takes longer than one of the bare loop, at batch 64.

    The bare loop does the same arithmetic in the same precision, including clipping and averaging of weights.

    Args:
        dataset: as `preprocess` wrote it.
        pretrained: as `pretrain` wrote it.
        rounds: measurements of each side.
        steps: steps of the training, a multiple of ten; the first ten warm up.
        overrides: overrides of the configuration, for trying it out.
    """
    config = configuration("training.batch_size=64", *overrides)
    weights = load_pretrained(pretrained, config.pretraining, read_dataset_record(dataset).digest)
    sides = {"bare": bare_reviews_per_second, "ours": reviews_per_second}
    trainings = {side: partial(train, config, dataset, weights, steps) for side, train in sides.items()}
    medians = alternate("overhead", trainings, rounds)
    details = {f"{side}_seconds_per_step": config.training.batch_size / speed for side, speed in medians.items()}
    value = medians["bare"] / medians["ours"] - 1
    return [Figure("Overhead of our training per step, batch 64", value, "at most", 0.05, "of a bare step", details)]


def bare_reviews_per_second(config: Config, dataset: Path, pretrained: Weights, steps: int) -> float:
    """Return the reviews per second of a plain loop: its batches are ready in memory, and it logs nothing."""
    hardware = resolve_hardware(config.trainer)
    device = "cuda" if hardware.accelerator == "gpu" else "cpu"
    batches = [
        (ids.to(device), lengths if lengths is None else lengths.to(device), labels.to(device))
        for (ids, lengths, _), labels, *_ in first_batches(config, dataset, steps)
    ]
    torch.manual_seed(config.seed)
    vocab_size = len(Vocabulary.load(dataset / "vocab.json"))
    network = build_network(config.model, vocab_size, pretraining=config.pretraining)
    if pretrained is not None:
        start_from_pretrained(network, pretrained, config.pretraining)
    network.to(device).train()
    decay = config.training.ema_decay
    weights = list(network.parameters())
    averages = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.AdamW(
        weights, config.training.lr, (0.9, config.training.beta2), weight_decay=0.0, fused=True
    )
    ends: list[float] = []
    for ids, lengths, labels in batches:
        with torch.autocast(device, torch.bfloat16, enabled=hardware.precision == "bf16-mixed"):
            logits, _ = deep_path(network).logits(ids, None, lengths)
            loss = LOGISTIC.loss(logits.float(), labels)
            if isinstance(network, WideAndDeep):
                loss = loss + LOGISTIC.loss(network.wide(ids, lengths), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, config.training.gradient_clip or math.inf)
        optimizer.step()
        if decay is not None:
            move_averages(decay, averages, weights, len(ends))
        if device == "cuda":
            torch.cuda.synchronize()
        ends.append(seconds())
    timed = ends[LOG_EVERY_STEPS - 1 :]
    return config.training.batch_size * (len(timed) - 1) / (timed[-1] - timed[0])
