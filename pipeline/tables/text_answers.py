"""Predictions for CSV, TSV, JSONL and plain text files: the same lines with the answers added, one line at a time.

Users' values are passed through unchanged: those of CSV and TSV as text, a JSON object as the line it was read from.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from pipeline.runtime.errors import PipelineError
from pipeline.tables.answer_columns import FileColumns, WantedColumns, require_free
from pipeline.tables.csv_lines import DELIMITERS, csv_line
from pipeline.tables.lines import MAX_LINE_BYTES, decode_line, parse_object

AnswerRows = Callable[[Iterable[tuple[Any, str]]], Iterator[tuple[Any, tuple[str, float]]]]
"""`Predictor.stream`: from rows with their texts to the same rows with label and probability."""
LineFormat = Callable[[Iterable[bytes], str, WantedColumns, AnswerRows], Iterator[str]]
"""From lines, the name of their file, the columns and the classifier, to the lines of the output."""

PLAIN = ".txt"
"""Ending of a file with one text per line."""
MAX_CSV_VALUE = 16 * 2**20
"""Characters of a value of a CSV file; a longer one is taken for a quote that is not closed."""


def plain_lines(lines: Iterable[bytes], name: str, _columns: WantedColumns, answer: AnswerRows) -> Iterator[str]:
    """Read one text per line; write label, probability and text, separated by tabs."""
    texts = (text.rstrip("\r\n") for text in _decoded_lines(lines, name))
    for text, (label, probability) in answer((text, text) for text in texts):
        yield f"{label}\t{probability:.4f}\t{text}\n"


def delimited(
    delimiter: str, lines: Iterable[bytes], name: str, columns: WantedColumns, answer: AnswerRows
) -> Iterator[str]:
    """Read and write a file with a header; empty lines are not rows.

    Raises:
        PipelineError: there is no such column, a row does not fit the header, or the file is damaged.
    """
    rows = _DelimitedRows(lines, name, delimiter)
    try:
        header = next(rows, [])
        chosen = columns.of_file(name, header)
        yield csv_line([*header, *chosen.added], delimiter)
        for row, (label, probability) in answer(_rows_with_text(rows, name, header, chosen.text)):
            yield csv_line([*row, label, _format_probability(probability)], delimiter)
    except csv.Error as error:
        raise PipelineError(f"{name}, line {rows.line_num}: {error}; correct the line") from None


def json_lines(lines: Iterable[bytes], name: str, columns: WantedColumns, answer: AnswerRows) -> Iterator[str]:
    """Read and write one JSON object per line; empty lines are not rows. The first one decides about the columns.

    Raises:
        PipelineError: a line is not an object, its text is not a string, or the first line has no such column.
    """
    for (line, chosen), (label, probability) in answer(_objects(lines, name, columns)):
        members = line[: line.rindex("}")]
        comma = "" if members.rstrip().endswith("{") else ", "
        names = [json.dumps(added, ensure_ascii=False) for added in chosen.added]
        yield f'{members}{comma}{names[0]}: "{label}", {names[1]}: {_format_probability(probability)}}}\n'


LINE_FORMATS: dict[str, LineFormat] = {
    **{ending: partial(delimited, delimiter) for ending, delimiter in DELIMITERS.items()},
    ".jsonl": json_lines,
    PLAIN: plain_lines,
}


def _decoded_lines(lines: Iterable[bytes], name: str) -> Iterator[str]:
    return (decode_line(line, name, number) for number, line in enumerate(lines, 1))


class _DelimitedRows:
    """Rows of a CSV file, each of bounded length; a row may be many lines, as values may hold line breaks."""

    def __init__(self, lines: Iterable[bytes], name: str, delimiter: str) -> None:
        csv.field_size_limit(MAX_CSV_VALUE)
        self._name = name
        self._lines = _decoded_lines(lines, name)
        self._reader = csv.reader(self._bounded_lines(), delimiter=delimiter, strict=True)
        self._row_length = 0
        """Characters read of the present row."""

    @property
    def line_num(self) -> int:
        """Number of the last line read, from 1."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self._row_length = 0
        return next(self._reader)

    def _bounded_lines(self) -> Iterator[str]:
        for line in self._lines:
            self._row_length += len(line)
            if self._row_length > MAX_LINE_BYTES:
                problem = f"a row is longer than {MAX_LINE_BYTES // 2**20} MB; look for a quote that is not closed"
                raise PipelineError(f"{self._name}, line {self.line_num}: {problem}")
            yield line


def _rows_with_text(rows: _DelimitedRows, name: str, header: list[str], column: str) -> Iterator[tuple[list[str], str]]:
    index = header.index(column)
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise PipelineError(
                f"{name}, line {rows.line_num}: {len(row)} values, the header has {len(header)}; correct the line"
            )
        yield row, row[index]


def _objects(
    lines: Iterable[bytes], name: str, columns: WantedColumns
) -> Iterator[tuple[tuple[str, FileColumns], str]]:
    """Yield each JSON object as its line and the columns, with its text."""
    chosen: FileColumns | None = None
    for number, line in enumerate(_decoded_lines(lines, name), 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        row = parse_object(line, place)
        if chosen is None:
            chosen = columns.of_file(place, list(row))
        require_free(place, list(row), chosen)
        yield (line, chosen), _json_text(row.get(chosen.text), place, chosen.text)


def _json_text(value: object, place: str, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PipelineError(f"{place}: {column!r} is {json.dumps(value):.100}, not text; name another with --column")
    return value


def _format_probability(probability: float) -> str:
    return f"{probability:.6f}"
