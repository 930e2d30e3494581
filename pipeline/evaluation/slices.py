"""Accuracy on slices of the test split: by length, by share of unknown words, by any kept column."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS, EvaluationConfig
from pipeline.evaluation.columns import Columns, as_columns, as_rows
from pipeline.evaluation.metrics import metric_names
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.wilson import wilson_interval

MAX_PARTS = 10
"""Maximum parts of a slice: a column of more numbers is cut into quartiles; of other values, the rarest are `other`."""
EXPONENT_FROM = 1e15
"""Size from which a number is written with an exponent."""
ENOUGH_REVIEWS = 50
"""Reviews a part needs to be named the worst: with fewer, an accuracy says little."""

UNKNOWN_SHARES = {
    0.0: "none",
    0.01: "up to 1 percent",
    0.02: "1 to 2 percent",
    0.05: "2 to 5 percent",
    0.1: "5 to 10 percent",
    0.2: "10 to 20 percent",
    1.0: "over 20 percent",
}
"""Name of each class of shares of unknown words, by its upper edge: the same for every corpus, for comparison."""

SliceMembers = list[tuple[str, NDArray[np.bool_]]]
"""The values of a slice, and the members `[n]` of each."""


def slice_table(test: ScoredSplit, unknown_words: NDArray[np.float64], config: EvaluationConfig) -> Columns:
    """Compute accuracy with its 95 % Wilson interval for each part of each slice, length first.

    Args:
        test: the model's answers.
        unknown_words: share `[n]` of each review's words that are not in the vocabulary.
        config: the length classes, and the slices to make.
    """
    correct = test.predicted == test.labels
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([LENGTH, *config.slices]):
        for value, members in _members_by_value(name, test, unknown_words, config):
            part = {"part": f"{name}: {value}", "slice": name, "value": value}
            rows.append(part | _accuracy_row(correct[members]))
    return as_columns(rows)


def accuracy_by_length(test: ScoredSplit, edges: Sequence[int]) -> Columns:
    """Compute accuracy with its 95 % Wilson interval for each length class; `words` is the class's median length."""
    correct = test.predicted == test.labels
    rows = [
        {"length": name, "words": float(np.median(test.words[members])), **_accuracy_row(correct[members])}
        for name, members in length_classes(test.words, edges)
    ]
    return as_columns(rows)


def worst_slice(table: Columns) -> dict[str, Any] | None:
    """Return the row with the lowest accuracy among parts with `ENOUGH_REVIEWS`; None if there is none.

    The only part of a slice is no candidate: it is all reviews.
    """
    parts = Counter(table["slice"])
    large = (row for row in as_rows(table) if row["reviews"] >= ENOUGH_REVIEWS and parts[row["slice"]] > 1)
    return min(large, key=lambda row: row["accuracy"], default=None)


def rows_of_slice(table: Columns, name: str) -> Columns:
    """Return the part of the table that belongs to one slice."""
    rows = [row for row, slice_name in enumerate(table["slice"]) if slice_name == name]
    return {column: [values[row] for row in rows] for column, values in table.items()}


def accuracies(table: Columns) -> dict[str, dict[str, float]]:
    """Return accuracy by slice and value, under names that MLflow accepts for metrics."""
    slices = list(dict.fromkeys(table["slice"]))
    by_slice = {}
    for key, name in zip(metric_names(slices), slices, strict=True):
        parts = rows_of_slice(table, name)
        by_slice[key] = dict(zip(metric_names(parts["value"]), parts["accuracy"], strict=True))
    return by_slice


def length_classes(words: ArrayLike, edges: Sequence[int]) -> SliceMembers:
    """Divide reviews by length.

    Args:
        words: number of words of each review, `[n]`.
        edges: ascending upper edges, each inside its class; a last class takes what is longer.

    Returns:
        Name (`up to 50 words`, `51 to 100 words`, `over 800 words`) and members `[n]` of each class that is not empty.
    """
    between = (f"{low + 1} to {high} words" for low, high in pairwise(edges))
    names = [f"up to {edges[0]} words", *between, f"over {edges[-1]} words"]
    return _divided(np.asarray(words), edges, names)


def column_slices(column: pa.ChunkedArray) -> SliceMembers:
    """Divide reviews by the values of a column; those without one (null, NaN, blank) are `missing`."""
    values = ["" if _is_missing(value) else str(value).strip() for value in column.to_pylist()]
    counts = Counter(value for value in values if value)
    numbers = _as_numbers(values) if len(counts) > MAX_PARTS else None
    if numbers is not None:
        parts = _quartiles(numbers)
    else:
        frequent = [value for value, _ in counts.most_common(MAX_PARTS if len(counts) <= MAX_PARTS else MAX_PARTS - 1)]
        places = np.array([frequent.index(value) if value in frequent else -1 for value in values])
        parts = [(value, places == place) for place, value in enumerate(frequent)]
    missing = np.array([not value for value in values])
    other = ~missing & ~np.any([members for _, members in parts], axis=0) if parts else ~missing
    rest = [(name, members) for name, members in (("other", other), ("missing", missing)) if members.any()]
    names = {name for name, _ in parts}
    return parts + [(f"({name})" if name in names else name, members) for name, members in rest]


def _members_by_value(
    name: str, test: ScoredSplit, unknown_words: NDArray[np.float64], config: EvaluationConfig
) -> SliceMembers:
    if name == LENGTH:
        return length_classes(test.words, config.length_edges)
    if name == UNKNOWN_WORDS:
        return _divided(unknown_words, list(UNKNOWN_SHARES), list(UNKNOWN_SHARES.values()))
    return column_slices(test.rows[name])


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _accuracy_row(correct: NDArray[Any]) -> dict[str, float | int]:
    hits, reviews = int(correct.sum()), len(correct)
    low, high = wilson_interval(hits, reviews)
    return {"accuracy": hits / reviews, "low": low, "high": high, "reviews": reviews}


def _as_numbers(values: list[str]) -> NDArray[np.float64] | None:
    try:
        numbers = np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).any() else None


def _quartiles(numbers: NDArray[np.float64]) -> SliceMembers:
    """Divide into four parts of about the same size, fewer where many numbers are equal; NaN belongs to none.

    The quartiles are those of the finite numbers; infinite ones are in the outer parts.
    """
    edges = _rounded(np.unique(np.quantile(numbers[np.isfinite(numbers)], [0.25, 0.5, 0.75])))
    labels = [f"{n:g}" if abs(n) >= EXPONENT_FROM else np.format_float_positional(n, trim="-") for n in edges]
    between = (f"{low} to {high}" for low, high in pairwise(labels))
    return _divided(numbers, edges, [f"up to {labels[0]}", *between, f"over {labels[-1]}"])


def _rounded(edges: NDArray[np.float64]) -> list[float]:
    """Round ascending numbers to four digits, or to more if that moves one by over a fifth of the smallest gap."""
    smallest_gap = np.diff(edges).min(initial=np.inf)
    for digits in range(4, 18):
        rounded = [float(f"{edge:.{digits}g}") for edge in edges]
        if (np.abs(rounded - edges) <= smallest_gap / 5).all():
            break
    return rounded


def _divided(numbers: NDArray[Any], edges: Sequence[float], names: Sequence[str]) -> SliceMembers:
    """Divide numbers by ascending edges, each inside the part below it; NaN is in no part, and no part is empty."""
    index = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
    return [(name, index == i) for i, name in enumerate(names) if (index == i).any()]
