"""Accuracy on slices, and failure rates of the behaviour tests, each with its interval."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from pipeline.evaluation.columns import Columns
from pipeline.report.colours import GUESS_COLOUR, MODEL_COLOUR
from pipeline.report.formatting import count, length_tick, percent, readable


def draw_accuracy_by_length(axes: Axes, table: Columns) -> None:
    """Draw the accuracy with its 95 % interval for each length class."""
    accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
    positions = np.arange(len(accuracy))
    axes.errorbar(positions, accuracy, (accuracy - low, high - accuracy), fmt="o", color=MODEL_COLOUR, capsize=4)
    names = [length_tick(name) for name in table["value"]]
    axes.set_xticks(positions, [f"{name}\nn={count(n)}" for name, n in zip(names, table["reviews"], strict=True)])
    axes.set_xlim(-0.5, len(positions) - 0.5)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"Accuracy by length: {percent(accuracy.min())} to {percent(accuracy.max())}"
    axes.set(title=title, xlabel="words in the review", ylabel="accuracy, 95 % interval")


def draw_slices(axes: Axes, table: Columns, overall: float) -> None:
    """Draw the accuracy with its 95 % interval for each part of each slice, and a line at that of all reviews."""
    accuracy, low, high = (np.asarray(table[key]) for key in ("accuracy", "low", "high"))
    positions = np.arange(len(accuracy))
    axes.axvline(overall, color=GUESS_COLOUR, linestyle=":")
    axes.errorbar(accuracy, positions, xerr=(accuracy - low, high - accuracy), fmt="o", color=MODEL_COLOUR, capsize=3)
    names = [f"{part[:40]}, n={count(n)}" for part, n in zip(table["part"], table["reviews"], strict=True)]
    # Values of the user's columns: a "$" in them starts no formula.
    axes.set_yticks(positions, names, fontsize=min(8, 200 / len(names)), parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"Accuracy by slice ({percent(overall)} on all)"
    axes.set(title=title, xlabel="accuracy, 95 % interval", ylabel="")


def draw_behaviour(axes: Axes, table: Columns) -> None:
    """Draw the failure rate with its 95 % interval for each capability."""
    rate, low, high = (np.asarray(table[key]) for key in ("failure_rate", "low", "high"))
    positions = np.arange(len(rate))
    axes.barh(positions, rate, xerr=(rate - low, high - rate), color=MODEL_COLOUR, ecolor="#555555", capsize=2)
    names = [readable(name) for name in table["capability"]]
    axes.set_yticks(positions, [f"{name} ({test})" for name, test in zip(names, table["test"], strict=True)])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    title = f"Behaviour: {count(sum(table['failures']))} of {count(sum(table['cases']))} cases failed"
    axes.set(title=title, xlabel="failures, 95 % interval", ylabel="")
