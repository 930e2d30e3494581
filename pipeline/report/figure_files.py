"""The style of all plots, and writing them as PNG and SVG files. Equal input gives equal bytes."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.colours import GRID_COLOUR, TEXT_COLOUR
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
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), TEXT_COLOUR),
        "axes.edgecolor": TEXT_COLOUR,
        "grid.color": GRID_COLOUR,
        "savefig.dpi": 150,
        "svg.fonttype": "none",
        "svg.hashsalt": "report",
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
    """Replace `folder` by a PNG and an SVG file of each drawing, and `summary.png` if all of `SUMMARY` are there.

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
            _lay_out(figure)
            for suffix in ("png", "svg"):
                _save(figure, temporary / f"{name}.{suffix}", suffix)
        if set(SUMMARY) <= set(drawings):
            summary = Figure(figsize=(12, 7.2), layout="constrained")
            for name, axes in zip(SUMMARY, summary.subplots(2, 3).flat, strict=True):
                drawings[name](axes)
            _lay_out(summary)
            _save(summary, temporary / "summary.png", "png")


def write_panels(path: Path, panels: Sequence[Draw], columns: int | None = None) -> None:
    """Write one PNG or SVG file with the drawings in rows of `columns`; None puts all side by side."""
    columns = min(columns or len(panels), len(panels))
    rows = math.ceil(len(panels) / columns)
    with replace(path) as temporary, matplotlib.style.context(STYLE):
        figure = Figure(figsize=(5 * columns, 4.2 * rows), layout="constrained")
        for position, draw in enumerate(panels, start=1):
            draw(figure.add_subplot(rows, columns, position))
        _lay_out(figure)
        _save(figure, temporary, path.suffix.removeprefix("."))


def _lay_out(figure: Figure) -> None:
    """Lay a figure out once for all its files: `savefig` would draw it once more for each, which takes most time."""
    figure.set_dpi(rcParams["savefig.dpi"])
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine(None)


def _save(figure: Figure, path: Path, form: str) -> None:
    # matplotlib would write its version and the date into the file.
    metadata = {"png": ["Software"], "svg": ["Creator", "Date", "Format", "Type"]}[form]
    figure.savefig(path, format=form, metadata=dict.fromkeys(metadata), transparent=form == "svg")
