"""The confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from pipeline.evaluation.columns import Columns
from pipeline.report.class_names import names_in_figures
from pipeline.report.colours import BACKGROUND, MODEL_COLOUR, TEXT_COLOUR
from pipeline.report.formatting import count, percent
from pipeline.report.plot_tables import confusion_matrix

FEW_CLASSES = 6
"""Maximum number of classes whose confusion matrix fits a figure of the usual size."""
ROOM_FOR_NAMES = 40
"""Maximum number of characters of all class names that fit side by side below a confusion matrix."""
MIN_FONT_SIZE = 4.5
"""Size in points below which numbers are left out of a figure."""
DARK_CELL = 0.75
"""Share from which the colour of a cell needs a light text."""
SHADES = LinearSegmentedColormap.from_list("shades", [(*to_rgb(MODEL_COLOUR), 0.0), (*to_rgb(MODEL_COLOUR), 1.0)])
"""From transparent to the model's colour, so that the matrix goes with a light and with a dark background."""


def draw_confusion(axes: Axes, table: Columns, accuracy: float, classes: Sequence[str]) -> None:
    """Draw the number of reviews for each pair of actual and predicted label, and their share where there is room.

    Numbers and names that would be too small to read are left out; the colours remain.
    """
    counts, names = confusion_matrix(table, classes), list(names_in_figures(classes).values())
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= FEW_CLASSES
    size = 11 if len(classes) == 2 else _cell_font(axes, len(classes), "n\n100.0%" if few else count(int(counts.max())))
    edges = np.arange(len(classes) + 1) - 0.5
    axes.pcolormesh(edges, edges, shares, cmap=SHADES, vmin=0, vmax=1)
    axes.invert_yaxis()
    for (row, column), n in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{count(int(n))}\n{percent(float(share))}" if few else count(int(n))
        colour = BACKGROUND if share > DARK_CELL else TEXT_COLOUR
        if size >= MIN_FONT_SIZE and (few or n):
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    ticks = range(len(classes))
    if len(classes) == 2:
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names, rotation=90, va="center")
    else:
        tick_size = min(8, _points(axes)[1] / len(classes))
        rotation = 0 if sum(map(len, names)) <= ROOM_FOR_NAMES else 90
        ticks, names = (ticks, names) if tick_size >= MIN_FONT_SIZE else (range(0), [])
        axes.set_xticks(ticks, names, rotation=rotation, fontsize=tick_size)
        axes.set_yticks(ticks, names, fontsize=tick_size)
    axes.grid(visible=False)
    axes.set(title=f"Confusion matrix: accuracy {accuracy:.3f}", xlabel="predicted", ylabel="actual")


def _cell_font(axes: Axes, cells: int, longest: str) -> float:
    """Return the size in points at which the longest text fits into a cell."""
    width, height = _points(axes)
    lines = longest.splitlines()
    return min(11, width / cells / max(map(len, lines)) / 0.65, height / cells / len(lines) / 1.3)


def _points(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes in points, before the layout makes room for the labels."""
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi * 72, box.height / axes.figure.dpi * 72
