"""The style of all plots, and writing them as PNG files. Equal input gives equal bytes."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.runtime.atomic import replace

Draw = Callable[[Axes], None]
"""Draws one plot."""

# Starting from matplotlib's own defaults, so that a user's matplotlibrc changes no byte.
STYLE: list[Any] = [
    "default",
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titleweight": "bold",
        "axes.titlesize": 11,
        "axes.axisbelow": True,
        "grid.color": "#e6e6e6",
        "savefig.dpi": 150,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
    },
]
USUAL_SIZE = (6, 4.5)
"""Width and height of a figure, in inches."""
SUMMARY = ("learning_curve", "roc", "reliability", "confusion", "score_histogram", "accuracy_by_length")
"""Figures of an evaluation that are also in `summary.png`."""


def write_figures(
    folder: Path, drawings: Mapping[str, Draw], sizes: Mapping[str, tuple[float, float]] | None = None
) -> None:
    """Replace `folder` by a PNG file for each drawing, and `summary.png` with those of `SUMMARY` if all are there.

    Args:
        folder: the folder.
        drawings: by file name.
        sizes: width and height in inches of drawings that are not of the usual size.
    """
    with replace(folder) as temporary, matplotlib.style.context(STYLE):
        temporary.mkdir()
        for name, draw in drawings.items():
            figure = Figure(figsize=(sizes or {}).get(name, USUAL_SIZE), layout="constrained")
            draw(figure.subplots())
            _save(figure, temporary / f"{name}.png")
        if set(SUMMARY) <= set(drawings):
            summary = Figure(figsize=(12, 7.2), layout="constrained")
            for name, axes in zip(SUMMARY, summary.subplots(2, 3).flat, strict=True):
                drawings[name](axes)
            _save(summary, temporary / "summary.png")


def write_panels(path: Path, panels: Sequence[Draw], columns: int | None = None) -> None:
    """Write one PNG file with the drawings in rows of `columns`; None puts all side by side."""
    columns = min(columns or len(panels), len(panels))
    rows = math.ceil(len(panels) / columns)
    with replace(path) as temporary, matplotlib.style.context(STYLE):
        figure = Figure(figsize=(5 * columns, 4.2 * rows), layout="constrained")
        for position, draw in enumerate(panels, start=1):
            draw(figure.add_subplot(rows, columns, position))
        _save(figure, temporary)


def _save(figure: Figure, path: Path) -> None:
    # matplotlib would write its version into the file.
    figure.savefig(path, format="png", metadata={"Software": None})
