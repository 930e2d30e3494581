"""Small tables, held by column."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]
"""A table: the columns by name, all of one length."""


def as_columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Turn a table given row by row, at least one, into columns."""
    return {column: [row[column] for row in rows] for column in rows[0]}
