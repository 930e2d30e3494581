"""Small tables, held by column."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]
"""A table: its columns by name, all of one length."""


def as_columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Turn a table given row by row, at least one, into columns."""
    return {column: [row[column] for row in rows] for column in rows[0]}


def as_rows(table: Columns) -> list[dict[str, Any]]:
    """Turn a table into a dictionary for each row."""
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
