"""Accuracy on parts of the test split: by length, by share of unknown words, by any kept column."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS, EvaluationConfig
from pipeline.evaluation.columns import Columns, as_columns
from pipeline.evaluation.intervals import accuracy_row
from pipeline.evaluation.metrics import length_classes
from pipeline.evaluation.predictions import Scored

MOST = 10
"""Values a slice has at most: of more numbers, it is the quartiles; of other values, the most frequent and `other`."""
ENOUGH = 50
"""Reviews a part needs to be called the worst: of fewer, an accuracy says little."""

_REFUSED = re.compile(r"[^\w\-. ]")

Parts = list[tuple[str, NDArray[np.bool_]]]
"""The values of a slice, and the members [n] of each."""


def slice_table(test: Scored, unknown_words: NDArray[np.float64], config: EvaluationConfig) -> Columns:
    """Accuracy with its 95 % Wilson interval for each part of the slices by length and of those in the configuration.

    Args:
        test: the model's answers.
        unknown_words: share [n] of each review's words that the vocabulary lacks.
        config: length classes and slices.
    """
    correct = test.predicted == test.labels
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([LENGTH, *config.slices]):
        for value, members in _parts(name, test, unknown_words, config):
            part = {"part": f"{name}: {value}", "slice": name, "value": value}
            rows.append(part | accuracy_row(correct[members]))
    return as_columns(rows)


def worst_part(table: Columns) -> dict[str, Any] | None:
    """The row of the part with the lowest accuracy among those with `ENOUGH` reviews; None if there is none."""
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    return min((row for row in rows if row["reviews"] >= ENOUGH), key=lambda row: row["accuracy"], default=None)


def values_of(table: Columns, name: str) -> dict[str, list[Any]]:
    """The rows of one slice."""
    rows = [row for row, found in enumerate(table["slice"]) if found == name]
    return {column: [values[row] for row in rows] for column, values in table.items()}


def accuracies(table: Columns) -> dict[str, dict[str, float]]:
    """Accuracy by slice and value, under names that MLflow takes for metrics."""
    slices = list(dict.fromkeys(table["slice"]))
    found = {}
    for key, name in zip(_metric_names(slices), slices, strict=True):
        parts = values_of(table, name)
        found[key] = dict(zip(_metric_names(parts["value"]), parts["accuracy"], strict=True))
    return found


def _parts(name: str, test: Scored, unknown_words: NDArray[np.float64], config: EvaluationConfig) -> Parts:
    if name == LENGTH:
        return length_classes(test.words, config.length_edges)
    if name == UNKNOWN_WORDS:
        return _quartiles(unknown_words)
    return column_parts(test.rows[name])


def column_parts(column: pa.ChunkedArray) -> Parts:
    """Divide reviews by the values of a column; those without one are `missing`."""
    values = ["" if value is None else str(value).strip() for value in column.to_pylist()]
    counts = Counter(value for value in values if value)
    numbers = _numbers(values) if len(counts) > MOST else None
    if numbers is not None:
        parts = _quartiles(numbers)
    else:
        frequent = [value for value, _ in counts.most_common(MOST if len(counts) <= MOST else MOST - 1)]
        places = np.array([frequent.index(value) if value in frequent else -1 for value in values])
        parts = [(value, places == place) for place, value in enumerate(frequent)]
    missing = np.array([not value for value in values])
    other = ~missing & ~np.any([members for _, members in parts], axis=0) if parts else ~missing
    return parts + [(name, members) for name, members in (("other", other), ("missing", missing)) if members.any()]


def _numbers(values: list[str]) -> NDArray[np.float64] | None:
    try:
        return np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return None


def _quartiles(numbers: NDArray[np.float64]) -> Parts:
    """Four parts of about the same size, fewer where many numbers are equal; NaN is in none."""
    edges = np.unique([float(f"{edge:.4g}") for edge in np.nanquantile(numbers, [0.25, 0.5, 0.75])])
    index = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
    names = [f"up_to_{edge:g}" for edge in edges] + [f"over_{edges[-1]:g}"]
    return [(name, index == i) for i, name in enumerate(names) if (index == i).any()]


def _metric_names(names: Iterable[str]) -> list[str]:
    """The names with `_` for what MLflow refuses in a metric's name, and made different where that makes them equal."""
    found: list[str] = []
    for name in names:
        metric = _REFUSED.sub("_", name)[:100].strip(". ") or "_"
        while metric in found:
            metric += "_"
        found.append(metric)
    return found
