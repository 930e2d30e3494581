"""Two sides measured in turns, and the figure that comes of it."""

import multiprocessing
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch
from tqdm import tqdm

Result = TypeVar("Result")


@dataclass(frozen=True)
class Figure:
    """One row of the table: a ratio, and what it should be."""

    name: str
    value: float | None
    """None where it cannot be measured on this machine."""
    comparison: Literal["at least", "at most"]
    target: float
    unit: str = ""
    """What the value is given in; empty for a plain ratio."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What it was made from: medians of both sides, sizes, settings."""


def in_plain_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process of its own, as a script would run it: freed memory goes back to the kernel.

    Two settings of the pipeline's hold there too. Denormal numbers are flushed, without which the ratios would flatter
    the pipeline; and oneDNN's caches are bounded by the environment, which does nothing where all shapes are the same.

    Args:
        function: of a module's top level.
        arguments: picklable.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=torch.set_flush_denormal, initargs=(True,)) as pool:
        return pool.submit(function, *arguments).result()


def alternate(name: str, sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Measure each side in turn, `rounds` times, with a progress bar.

    Args:
        name: shown with the progress.
        sides: each makes one measurement and returns it.
        rounds: measurements of each side.

    Returns:
        the median measurement of each side.
    """
    found: dict[str, list[float]] = {side: [] for side in sides}
    with tqdm(total=rounds * len(sides), desc=name, disable=None) as progress:
        for _ in range(rounds):
            for side, measure in sides.items():
                found[side].append(measure())
                progress.update()
    return {side: statistics.median(values) for side, values in found.items()}
