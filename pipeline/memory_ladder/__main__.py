"""Measure how far back recurrent networks recall a marked word: an RNN, a GRU and an LSTM. It needs no corpus.

All three have the same width, the same initialisation and the same number of training steps. Each gets the learning
rate with which it recalls most on validation texts, with the first seed. Writes reports/recall.json,
docs/images/recall.png and the table in docs/memory.md.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.cli import Parser, tidy_exit
from pipeline.memory_ladder.figure import COLOURS
from pipeline.memory_ladder.recall import UNITS, RecallTask, recall_accuracy, train_recall
from pipeline.report.figure_files import write_panels
from pipeline.runtime import paths
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.records import write_json

RECURRENT_CELLS = ("rnn", "gru", "lstm")
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
DISTANCES = (1, 2, 4, 8, 16, 32, 64, 100)
"""Steps from the marked word to the end at which recall is measured."""
TEXTS = 300
"""Texts to measure on, at each distance."""
RECALL_STEPS, RECALL_SEEDS = (300, 600), 3
MARKERS = {"rnn": "o-", "gru": "s-", "lstm": "x--"}
"""Markers and lines: those of the GRU and of the LSTM lie on one another."""
MEMORY_PAGE = paths.WORKSPACE / "docs" / "memory.md"
RECALL_PICTURE = paths.WORKSPACE / "docs" / "images" / "recall.png"
RECALL_COMMAND = "python -m pipeline.memory_ladder"

log = logging.getLogger(__name__)


class Recalled(NamedTuple):
    """Recall of one network, after each of the numbers of steps."""

    validation: list[float]
    """Share of words recalled on validation texts, the mean over the distances [steps]."""
    test: list[list[float]]
    """Share of words recalled on test texts [steps, distances]."""
    weights: int
    """Number of weights of the cell."""


def measure_recall(task: RecallTask, steps: Sequence[int], seeds: int) -> dict[str, Any]:
    """Train and measure each cell; returns the content of `recall.json`.

    Args:
        task: the task; `DISTANCES` beyond its farthest are left out.
        steps: training steps after which each network is measured, in ascending order.
        seeds: networks to train of each cell, with the seeds from 1 on.

    Raises:
        PipelineError: a number is less than 1, or the steps are not ascending.
    """
    if min(*steps, seeds) < 1 or sorted(set(steps)) != list(steps):
        raise PipelineError("--steps, --seeds: must be at least 1 each, and the steps in ascending order")
    torch.set_num_threads(1)  # with matrices this small, threads only wait for one another
    distances = [distance for distance in DISTANCES if distance <= task.farthest]
    cells: dict[str, Any] = {}
    networks = len(RECURRENT_CELLS) * (len(LEARNING_RATES) + seeds - 1)
    with logging_redirect_tqdm(), tqdm(total=networks * steps[-1], unit="step", disable=None) as bar:
        for cell in RECURRENT_CELLS:
            tried = {lr: _recalled(cell, lr, 1, task, steps, distances, bar) for lr in LEARNING_RATES}
            lr = max(tried, key=lambda rate: tried[rate].validation[-1])
            others = [_recalled(cell, lr, seed, task, steps, distances, bar) for seed in range(2, seeds + 1)]
            cells[cell] = {
                "weights": tried[lr].weights,
                "lr": lr,
                "validation": {f"{rate:g}": recalled.validation for rate, recalled in tried.items()},
                "test": [recalled.test for recalled in (tried[lr], *others)],
            }
    return {"words": task.words, "units": UNITS, "steps": list(steps), "distances": distances, "cells": cells}


def _recalled(
    cell: str, lr: float, seed: int, task: RecallTask, steps: Sequence[int], distances: Sequence[int], bar: "tqdm[Any]"
) -> Recalled:
    bar.set_description(f"{cell} lr={lr:g} seed {seed}")
    started = time.perf_counter()
    validation, test = [], []
    for network in train_recall(cell, lr, task, steps, seed, bar.update):
        on_validation, on_test = (
            recall_accuracy(network, task, distances, TEXTS, np.random.default_rng([seed, split])) for split in (1, 2)
        )
        validation.append(float(np.mean(on_validation)))
        test.append(on_test)
    recalled = ", ".join(f"{share:.3f}" for share in validation)
    log.info(
        "%s, learning rate %g, seed %d: %s recalled (%.0f s)", cell, lr, seed, recalled, time.perf_counter() - started
    )
    return Recalled(validation, test, sum(weight.numel() for weight in network.lstm.parameters()))


def recall_table(recall: Mapping[str, Any]) -> str:
    """Format the accuracies as a table in Markdown: mean over the seeds, and the lowest and highest."""
    shown = [distance for distance in (1, 4, 16, 64, 100) if distance in recall["distances"]]
    heads = ["steps", "weights", "learning rate", *(f"{distance} ago" for distance in shown)]
    lines = [f"| | {' | '.join(heads)} |", "|" + "---|" * (1 + len(heads))]
    for number, steps in enumerate(recall["steps"]):
        for cell, measured in recall["cells"].items():
            shares = np.array(measured["test"])[:, number]  # [seed, distance]
            columns = [shares[:, recall["distances"].index(distance)] for distance in shown]
            texts = [_mean_and_range(seeds) for seeds in columns]
            lines.append(f"| {cell} | {steps} | {measured['weights']:,} | {measured['lr']:g} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _mean_and_range(values: NDArray[np.float64]) -> str:
    mean, low, high = (f"{value:.2f}" for value in (values.mean(), values.min(), values.max()))
    return mean if low == high else f"{mean} ({low} to {high})"


def recall_panels(recall: Mapping[str, Any]) -> list[Callable[[Axes], None]]:
    """Return the functions that draw the panels: one for each number of training steps."""
    return [partial(draw_recall, recall=recall, number=number) for number in range(len(recall["steps"]))]


def draw_recall(axes: Axes, recall: Mapping[str, Any], number: int) -> None:
    """Draw the accuracy by distance, a line for each seed: whether a cell learns the task at all may depend on it.

    Args:
        axes: where to draw.
        recall: from `measure_recall`.
        number: that of the training steps among `recall["steps"]`.
    """
    distances = recall["distances"]
    for cell, measured in recall["cells"].items():
        for seed, shares in enumerate(measured["test"]):
            label = None if seed else cell.upper()
            axes.plot(distances, shares[number], MARKERS[cell], ms=5, color=COLOURS[cell], label=label, alpha=0.8)
    axes.axhline(1 / recall["words"], color="#777777", ls=":", label="chance")
    axes.set_xscale("log", base=2)
    axes.set_xticks(distances, map(str, distances))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_ylim(0, 1.03)
    axes.set(
        title=f"After {recall['steps'][number]} training steps",
        xlabel="words since the marked one",
        ylabel="marked words recalled",
    )
    axes.legend(loc="best")


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    usual = " ".join(map(str, RECALL_STEPS))
    steps_help = f"training steps after which each network is measured (default: {usual})"
    parser.add_argument("--steps", type=int, nargs="+", default=RECALL_STEPS, help=steps_help)
    parser.add_argument("--seeds", type=int, default=RECALL_SEEDS, help="networks of each type (default: %(default)s)")
    arguments = parser.parse_args()
    with tidy_exit():
        recall = measure_recall(RecallTask(), arguments.steps, arguments.seeds)
        write_json(paths.REPORTS / "recall.json", recall)
        write_panels(RECALL_PICTURE, recall_panels(recall))
        table = recall_table(recall)
        replace_generated(MEMORY_PAGE, RECALL_COMMAND, table)
        print(table)
