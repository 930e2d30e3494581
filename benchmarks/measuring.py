"""Measuring two sides in turn, and the figure that results."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch
from tqdm import tqdm

Result = TypeVar("Result")


@dataclass(frozen=True)
class Figure:
    """One row of the table: a measured ratio and its target."""

    name: str
    value: float | None
    """None where it cannot be measured on this machine."""
    comparison: Literal["at least", "at most"]
    target: float
    unit: str = ""
    """Unit of the value; empty for a plain ratio."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Values behind the figure: medians of both sides, sizes, settings."""


def set_up() -> None:
    """Compute with one thread, whose CPU time other programs hardly change; flush denormal numbers to zero.

    Vanishing gradients become denormal numbers, which make the first steps of the reference several times as slow as
    its later ones and would flatter every ratio.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def seconds() -> float:
    """Return a time in seconds: the CPU time of this process; where there is a GPU to wait for, the clock's."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def seconds_of_children() -> float:
    """Return the CPU time in seconds of the processes that this one has started, and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def in_plain_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process of its own, as a script would: freed memory goes back to the kernel.

    `set_up` applies there too. So does the environment's limit of oneDNN's caches, which has no effect where all shapes
    are equal.

    Args:
        function: at the top level of a module.
        arguments: picklable.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=set_up) as pool:
        return pool.submit(function, *arguments).result()


def alternate(name: str, sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Measure each side in turn, `rounds` times, with a progress bar.

    Args:
        name: label of the progress bar.
        sides: functions that make one measurement and return it.
        rounds: measurements of each side.

    Returns:
        the median measurement of each side.
    """
    measurements: dict[str, list[float]] = {side: [] for side in sides}
    with tqdm(total=rounds * len(sides), desc=name, disable=None) as progress:
        for _ in range(rounds):
            for side, measure in sides.items():
                measurements[side].append(measure())
                progress.update()
    return {side: statistics.median(values) for side, values in measurements.items()}
