"""Formats of lines: CSV, TSV, JSONL and plain lines in, the same with the answers out, a line at a time.

What the user wrote is handed on as it is: values of CSV and TSV as text, a JSON object as the line it stands in.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import StringIO
from typing import Any, TypeVar

from pipeline.inference.predictor import Prediction
from pipeline.runtime.errors import PipelineError, listed

Row = TypeVar("Row")
Answer = Callable[[Iterable[tuple[Row, str]]], Iterator[tuple[Row, Prediction]]]
"""`Predictor.stream`."""
LineFormat = Callable[[Iterable[bytes], str, str, Answer[Any]], Iterator[str]]
"""Lines, the name of their file, the name of the column of the texts, and what answers them; to lines."""

PLAIN = ".txt"
"""The ending of a file with a text a line."""
ADDED = ("label", "probability")
LONGEST_VALUE = 16 * 2**20
"""Characters of a value of a CSV file: more is taken for a quote that is not closed."""
LONGEST_LINE = 32 * 2**20
"""Bytes of a line, and characters of a row: a small compressed file may hold one that fits into no memory."""


def plain_lines(lines: Iterable[bytes], name: str, _column: str, answer: Answer[str]) -> Iterator[str]:
    """A text a line; label, probability and text, between tabs, are written."""
    texts = (text.rstrip("\r\n") for text in _decoded(lines, name))
    for text, (label, probability) in answer((text, text) for text in texts):
        yield f"{label}\t{probability:.4f}\t{text}\n"


def delimited(
    delimiter: str, lines: Iterable[bytes], name: str, column: str, answer: Answer[list[str]]
) -> Iterator[str]:
    """A file with a header. Empty lines are no rows.

    Raises:
        PipelineError: there is no such column, a row does not fit the header, or the file is damaged.
    """
    rows = _Rows(lines, name, delimiter)
    try:
        header = next(rows, [])
        require_fitting_columns(name, header, column)
        yield _line([*header, *ADDED], delimiter)
        for row, (label, probability) in answer(_with_text(rows, name, header, column)):
            yield _line([*row, label, _number(probability)], delimiter)
    except csv.Error as error:
        raise PipelineError(f"{name}, line {rows.line_num}: {error}; correct the line") from None


def json_lines(lines: Iterable[bytes], name: str, column: str, answer: Answer[str]) -> Iterator[str]:
    """A JSON object a line; empty lines are no rows.

    Raises:
        PipelineError: a line is no object, its text is no text, or the first has no such column.
    """
    for line, (label, probability) in answer(_objects(lines, name, column)):
        members = line[: line.rindex("}")]
        comma = "" if members.rstrip().endswith("{") else ", "
        yield f'{members}{comma}"label": "{label}", "probability": {_number(probability)}}}\n'


LINE_FORMATS: dict[str, LineFormat] = {
    ".csv": partial(delimited, ","),
    ".tsv": partial(delimited, "\t"),
    ".jsonl": json_lines,
    PLAIN: plain_lines,
}


def require_fitting_columns(name: str, columns: list[str], column: str) -> None:
    """Check the columns of a file.

    Raises:
        PipelineError: there are none, `column` is not there exactly once, or one has a name that is to be added.
    """
    if not columns:
        raise PipelineError(f"{name} is empty; give a file with a column {column!r}")
    if columns.count(column) > 1:
        raise PipelineError(f"{name}: the column {column!r} is there more than once; rename one")
    if column not in columns:
        raise PipelineError(
            f"{name} has no column {column!r}; its columns are {listed(columns)}: name one with --column"
        )
    for taken in ADDED:
        if taken in columns:
            raise PipelineError(f"{name} has a column {taken!r} already, which would be added; rename it")


def lines_of(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, and is going to be refused, only so much as shows that it is."""
    return iter(partial(readline, LONGEST_LINE + 1), b"")


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise PipelineError(f"{name}, line {number}: longer than {LONGEST_LINE // 2**20} MB; split it")
        if b"\0" in line:
            raise PipelineError(f"{name}, line {number}: holds a NUL character; convert the file to UTF-8")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise PipelineError(f"{name}, line {number}: not UTF-8; convert the file to UTF-8") from None


class _Rows:
    """The rows of a CSV file: each of bounded length, which may be many lines, as values have line breaks."""

    def __init__(self, lines: Iterable[bytes], name: str, delimiter: str) -> None:
        csv.field_size_limit(LONGEST_VALUE)
        self._name = name
        self._lines = _decoded(lines, name)
        self._reader = csv.reader(self._counted(), delimiter=delimiter, strict=True)
        self._length = 0
        """Characters of the present row so far."""

    @property
    def line_num(self) -> int:
        """The last line that was read, from 1."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self._length = 0
        return next(self._reader)

    def _counted(self) -> Iterator[str]:
        for line in self._lines:
            self._length += len(line)
            if self._length > LONGEST_LINE:
                problem = f"a row is longer than {LONGEST_LINE // 2**20} MB; look for a quote that is not closed"
                raise PipelineError(f"{self._name}, line {self.line_num}: {problem}")
            yield line


def _with_text(rows: _Rows, name: str, header: list[str], column: str) -> Iterator[tuple[list[str], str]]:
    place = header.index(column)
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise PipelineError(
                f"{name}, line {rows.line_num}: {len(row)} values, the header has {len(header)}; correct the line"
            )
        yield row, row[place]


def _objects(lines: Iterable[bytes], name: str, column: str) -> Iterator[tuple[str, str]]:
    first = True
    for number, line in enumerate(_decoded(lines, name), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PipelineError(f"{where}: not JSON ({error}); correct the line") from None
        if not isinstance(row, dict):
            raise PipelineError(f'{where}: not a JSON object; write {{"{column}": …}}')
        require_fitting_columns(where, list(row if first else {column: None, **row}), column)
        first = False
        yield line, _json_text(row.get(column), where, column)


def _json_text(value: object, where: str, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PipelineError(f"{where}: {column!r} is {json.dumps(value):.100}, not a text; name another with --column")
    return value


def _line(values: list[str], delimiter: str) -> str:
    written = StringIO()
    # older Pythons quote those line breaks inside a value that are part of the line's end
    csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerow(values)
    return written.getvalue().removesuffix("\r\n") + "\n"


def _number(probability: float) -> str:
    return f"{probability:.6f}"
