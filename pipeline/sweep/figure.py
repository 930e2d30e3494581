"""A sweep as a picture: how the best came down trial by trial, and the objective over each searched value."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.report.figures import GUESS, MODEL

MOST_SLICES = 6
FEW = 6
"""Values that are each named on the axis."""
WIDE = 20
"""From this ratio of the largest to the smallest value on, the axis is logarithmic."""


def panels(losses: Sequence[float], values: Mapping[str, Sequence[str]], label: str) -> list[Callable[[Axes], None]]:
    """What draws each panel, from left to right.

    Args:
        losses: of the finished trials, in the order they started.
        values: of each trial, for every searched key.
        label: of the losses.
    """
    slices = [partial(draw_slice, losses=losses, key=key, values=values[key]) for key in list(values)[:MOST_SLICES]]
    return [partial(draw_best_so_far, losses=losses, label=label), *slices]


def draw_best_so_far(axes: Axes, losses: Sequence[float], label: str) -> None:
    """A dot for each trial, and the least loss up to it."""
    trials = np.arange(1, len(losses) + 1)
    axes.plot(trials, losses, "o", color=MODEL, alpha=0.6, label="trial")
    axes.step(trials, np.minimum.accumulate(losses), where="post", color=GUESS, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Best so far", xlabel="trial", ylabel=label)
    axes.legend(loc="best")


def draw_slice(axes: Axes, losses: Sequence[float], key: str, values: Sequence[str]) -> None:
    """The loss of each trial over its value of one key; names stand side by side, numbers on a scale."""
    numbers = _numbers(values)
    if numbers is None:
        names = sorted(set(values))
        axes.plot([names.index(value) for value in values], losses, "o", color=MODEL, alpha=0.6)
        axes.set_xticks(range(len(names)), names, rotation=20 if len(names) > 3 else 0)
        axes.set_xlim(-0.5, len(names) - 0.5)
    else:
        axes.plot(numbers, losses, "o", color=MODEL, alpha=0.6)
        if min(numbers) > 0 and max(numbers) / min(numbers) >= WIDE:
            axes.set_xscale("log")
        tried = sorted(set(numbers))
        if len(tried) <= FEW:
            axes.set_xticks(tried, [f"{value:g}" for value in tried])
    axes.set(title=key, xlabel=key)


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None
