"""Draw the memory ladder: three panels, with a colour of Okabe & Ito for each type of network.

Networks of one type, such as those of several seeds, share a colour and a name. The bars are their mean, with a mark
for each.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from pipeline.report.formatting import count, length_tick, readable

COLOURS = {"bag_of_words": "#999999", "rnn": "#D55E00", "gru": "#E69F00", "lstm": "#0072B2"}
MIN_SHARE = 1e-6
"""Lower end of the axis of gradients: anything smaller counts as forgotten."""

Ladder = Mapping[str, Any]
"""Content of `memory_ladder.json`."""


def ladder_panels(ladder: Ladder) -> list[Callable[[Axes], None]]:
    """Return the functions that draw the panels, from left to right; the last only where sentences were measured."""
    panels = [draw_accuracy, draw_gradient]
    if has_sentences(ladder):
        panels.append(draw_flips)
    return [partial(draw, ladder=ladder) for draw in panels]


def has_sentences(ladder: Ladder) -> bool:
    """Return True if the influence of a sentence was measured."""
    return all(model["sentence"] for model in ladder["models"].values())


def draw_accuracy(axes: Axes, ladder: Ladder) -> None:
    """Draw the accuracy with its 95 % interval for each class of length, side by side."""
    kinds = list(_by_kind(ladder))
    offsets = np.linspace(-0.24, 0.24, len(kinds)) if len(kinds) > 1 else [0.0]
    for label, model in _labelled(ladder):
        table = model["accuracy_by_length"]
        accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
        positions = np.arange(len(accuracy)) + offsets[kinds.index(model["kind"])]
        errors = (accuracy - low, high - accuracy)
        colour = COLOURS[model["kind"]]
        axes.errorbar(positions, accuracy, errors, fmt="o-", lw=0.8, capsize=2, color=colour, label=label)
    ticks = [f"{length_tick(name)}\nn={count(n)}" for name, n in zip(table["length"], table["reviews"], strict=True)]
    axes.set_xticks(range(len(ticks)), ticks)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set(title="Accuracy by length", xlabel="words in the review", ylabel="accuracy, 95 % interval")
    axes.legend(loc="best")


def draw_gradient(axes: Axes, ladder: Ladder) -> None:
    """Draw the share of a word in the gradient against its distance from the end."""
    for label, model in _labelled(ladder):
        shares = np.array(model["gradient"])
        axes.plot(np.where(shares > 0, shares, np.nan), color=COLOURS[model["kind"]], label=label)
    axes.set_yscale("log")
    axes.set_ylim(max(MIN_SHARE, axes.get_ylim()[0]), 1)
    axes.set(title="Influence of a word", xlabel="steps before the end", ylabel="share of the gradient's norm")
    axes.legend(loc="best")


def draw_flips(axes: Axes, ladder: Ladder) -> None:
    """Draw how often an opposite sentence flips the prediction, at the start and at the end of a review."""
    kinds = _by_kind(ladder)
    for position, (kind, models) in enumerate(kinds.items()):
        colour = COLOURS[kind]
        for place, shift, face, hatch in (("start", -0.2, colour, ""), ("end", 0.2, "white", "///")):
            influences = [model["sentence"][place] for model in models]
            rates = [influence["flip_rate"] for influence in influences]
            rate = float(np.mean(rates))
            change = np.mean([influence["log_odds_change"] for influence in influences])
            axes.bar(position + shift, rate, 0.38, color=face, edgecolor=colour, hatch=hatch)
            if len(rates) > 1:
                axes.plot([position + shift] * len(rates), rates, "_", color="black", ms=8)
            text = f"{rate:.0%}\n±{change:.1f}"
            top = (position + shift, max(rates))
            axes.annotate(text, top, (0, 3), textcoords="offset points", ha="center", fontsize=7)
    axes.set_xticks(range(len(kinds)), [readable(kind) for kind in kinds])
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_ylim(0, max(0.1, axes.get_ylim()[1]) * 1.25)
    axes.set(
        title="A sentence replaced by its opposite",
        xlabel="±: mean change of the log-odds",
        ylabel="predictions that flip",
    )
    start, end = Patch(color="#555555"), Patch(facecolor="white", edgecolor="#555555", hatch="///")
    axes.legend([start, end], ["at the start", "at the end"], loc="upper left")


def _by_kind(ladder: Ladder) -> dict[str, list[Mapping[str, Any]]]:
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for model in ladder["models"].values():
        kinds.setdefault(model["kind"], []).append(model)
    return kinds


def _labelled(ladder: Ladder) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """Yield each model with the label of its type, or None from the second of a type on."""
    for kind, models in _by_kind(ladder).items():
        yield from zip([readable(kind), *[None] * (len(models) - 1)], models, strict=True)
