"""Write the plots: CSV files for `dvc plots`, PNG files for people."""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.config.evaluation import LENGTH
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.predictions import Scored
from pipeline.evaluation.slices import values_of
from pipeline.report import figures, plot_tables
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import csv_text

Draw = Callable[[Axes], None]

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
LEARNING_CURVE = ("epoch", "train_loss", "val_loss", "val_calibrated_loss", "val_accuracy")
"""Columns of the learning curve."""
SUMMARY = ("learning_curve", "roc", "reliability", "confusion", "score_histogram", "accuracy_by_length")


def write_tables(folder: Path, tables: Mapping[str, Columns]) -> None:
    """Replace `folder` by one CSV file for each table."""
    with replace(folder) as temporary:
        temporary.mkdir()
        for name, columns in tables.items():
            write_text(temporary / f"{name}.csv", csv_text(list(columns), zip(*columns.values(), strict=True)))


def read_learning_curve(path: Path) -> Columns:
    """Read the losses that `train` wrote after each epoch.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or any(set(row) != set(LEARNING_CURVE) or None in row.values() for row in rows):
            raise ValueError(f"it has no row, or one that is not {', '.join(LEARNING_CURVE)}")
        return {name: [float(row[name]) for row in rows] for name in LEARNING_CURVE}
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run `dvc repro` to train a model") from None
    except (ValueError, csv.Error) as error:  # no number, no UTF-8
        raise PipelineError(f"{path} is damaged: {error}; run `dvc repro` to train a model") from None


def drawings(
    tables: Mapping[str, Columns], baseline: Scored | None, learning_curve: Columns, metrics: Mapping[str, Any]
) -> dict[str, Draw]:
    """What draws each figure, by file name.

    Args:
        tables: of the model, from `plot_tables.tables`; `slices`; `behaviour`, which may have no rows.
        baseline: the baseline's answers on the test split.
        learning_curve: from `read_learning_curve`.
        metrics: as in `reports/metrics.json`.
    """
    test = metrics["test"]
    roc = {"model": (tables["roc"], test["roc_auc"])}
    precision_recall = {"model": (tables["precision_recall"], test["average_precision"])}
    if baseline is not None:
        roc["baseline"] = (plot_tables.roc(baseline), metrics["baseline"]["roc_auc"])
        precision_recall["baseline"] = (
            plot_tables.precision_recall(baseline),
            metrics["baseline"]["average_precision"],
        )
    by_length = values_of(tables["slices"], LENGTH)
    behaviour = {"behaviour": lambda axes: figures.draw_behaviour(axes, tables["behaviour"])}
    return {
        "roc": lambda axes: figures.draw_roc(axes, roc),
        "precision_recall": lambda axes: figures.draw_precision_recall(axes, precision_recall),
        "reliability": lambda axes: figures.draw_reliability(axes, tables["reliability"], test["ece"]),
        "confusion": lambda axes: figures.draw_confusion(axes, tables["confusion"], test["accuracy"]),
        "score_histogram": lambda axes: figures.draw_score_histogram(axes, tables["score_histogram"]),
        "accuracy_by_length": lambda axes: figures.draw_accuracy_by_length(axes, by_length),
        "slices": lambda axes: figures.draw_slices(axes, tables["slices"], test["accuracy"]),
        "learning_curve": lambda axes: figures.draw_learning_curve(axes, learning_curve),
        **(behaviour if len(tables["behaviour"]["capability"]) else {}),
    }


def write_figures(folder: Path, drawings: Mapping[str, Draw]) -> None:
    """Replace `folder` by a PNG file for each drawing, and `summary.png` with six of them. Equal input, equal bytes."""
    with replace(folder) as temporary, matplotlib.style.context(STYLE):
        temporary.mkdir()
        for name, draw in drawings.items():
            figure = Figure(figsize=(6, 4.5), layout="constrained")
            draw(figure.subplots())
            _save(figure, temporary / f"{name}.png")
        summary = Figure(figsize=(12, 7.2), layout="constrained")
        for name, axes in zip(SUMMARY, summary.subplots(2, 3).flat, strict=True):
            drawings[name](axes)
        _save(summary, temporary / "summary.png")


def write_panels(path: Path, panels: Sequence[Draw], columns: int | None = None) -> None:
    """Write one PNG file with the drawings in rows of so many columns; None: side by side. Equal input, equal bytes."""
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
