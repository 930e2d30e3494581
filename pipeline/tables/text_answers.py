"""Predictions for CSV, TSV, JSON and plain text files: the same rows with the answers added, streamed.

Users' values are passed through unchanged: those of CSV and TSV as text, a JSON object as it stands in its file.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from pipeline.config.file_format import FileFormat
from pipeline.runtime.errors import PipelineError, listed
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.delimited import Delimited
from pipeline.tables.json_rows import JsonRow, json_rows, json_text
from pipeline.tables.lines import text_lines
from pipeline.tables.table_reader import is_array, require_distinct
from pipeline.tables.texts import joined_text
from pipeline.tables.unpacked import read_text, stated_encoding

AnswerRows = Callable[[Iterable[tuple[Any, str]]], Iterator[tuple[Any, tuple[str, float]]]]
"""`Predictor.stream`: from rows with their texts to the same rows with label and probability."""

PLAIN = ".txt"
"""Ending of a file with one text per line."""
ADDED_COLUMNS = ("label", "probability")


def answered_lines(
    source: Path, ending: str, file_format: FileFormat, columns: Sequence[str], answer: AnswerRows
) -> Iterator[str]:
    """Read a file that is no Parquet, and yield the lines of the output.

    Args:
        source: path of the file.
        ending: ending that tells its format.
        file_format: what the ending does not tell.
        columns: names of the text columns; plain text has none.
        answer: the classifier.

    Raises:
        PipelineError: there is no such column, a row does not fit the header, or the file is damaged.
    """
    if ending == PLAIN:
        encoding = stated_encoding(source, file_format.encoding)
        return plain_lines((line for _, line in text_lines(read_text(source, encoding), str(source))), answer)
    if ending in DELIMITERS:
        return _delimited_lines(source, ending, file_format, columns, answer)
    rows = json_rows(source, file_format.encoding, is_array(source, ending, file_format))
    objects = _json_objects(_json_texts(source, rows, columns), answer)
    return _array_lines(objects) if is_array(source, ending, file_format) else (f"{line}\n" for line in objects)


def plain_lines(lines: Iterable[str], answer: AnswerRows) -> Iterator[str]:
    """Read one text per line; write label, probability and text, separated by tabs."""
    texts = (line.rstrip("\r\n") for line in lines)
    for text, (label, probability) in answer((text, text) for text in texts):
        yield f"{label}\t{probability:.4f}\t{text}\n"


def require_fitting_columns(name: str, columns: list[str], texts: Sequence[str]) -> None:
    """Check the columns of a file.

    Raises:
        PipelineError: the file has no columns, lacks one of `texts`, or already has a column with the name of an added
            one.
    """
    if not columns:
        raise PipelineError(f"{name} is empty; give a file with a column {texts[0]!r}")
    for column in texts:
        if column not in columns:
            raise PipelineError(
                f"{name} has no column {column!r}; its columns are {listed(columns)}: name one with --column"
            )
    for added in ADDED_COLUMNS:
        if added in columns:
            raise PipelineError(f"{name} already has a column {added!r}, the name of one that is added; rename it")


def _delimited_lines(
    source: Path, ending: str, file_format: FileFormat, columns: Sequence[str], answer: AnswerRows
) -> Iterator[str]:
    table = Delimited(source, ending, file_format)
    require_distinct(source, table.columns)
    require_fitting_columns(str(source), table.columns, columns)
    texts = [table.columns.index(column) for column in columns]
    batches = ([column.to_pylist() for column in batch.columns] for batch in table.batches())
    rows = (row for values in batches for row in zip(*values, strict=True))
    if not file_format.columns:
        yield _delimited_line([*table.columns, *ADDED_COLUMNS], table.delimiter, file_format)
    for row, (label, probability) in answer((row, joined_text(row[index] for index in texts)) for row in rows):
        yield _delimited_line([*row, label, _format_probability(probability)], table.delimiter, file_format)


def _delimited_line(values: Iterable[str], delimiter: str, file_format: FileFormat) -> str:
    line = StringIO()
    unquoted = file_format.quoting == "none"
    csv.writer(
        line,
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL,
        quotechar=None if unquoted else '"',
        escapechar=file_format.escape,
        doublequote=file_format.escape is None,
        # with this terminator a lone \r or \n in a value is quoted by older Pythons, too
        lineterminator="\r\n",
    ).writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def _json_texts(source: Path, rows: Iterable[JsonRow], columns: Sequence[str]) -> Iterator[tuple[JsonRow, str]]:
    """Yield each JSON object with its text."""
    known: dict[str, None] = {}  # from the second object on, a missing text is an empty one
    for row in rows:
        place = f"{source}, line {row.line}"
        require_fitting_columns(place, list(known | row.values), columns)
        known = dict.fromkeys(columns)
        yield row, joined_text(json_text(row, column, source) for column in columns)


def _json_objects(rows: Iterable[tuple[JsonRow, str]], answer: AnswerRows) -> Iterator[str]:
    for row, (label, probability) in answer(rows):
        members = row.text[: row.text.rindex("}")]
        comma = "" if members.rstrip().endswith("{") else ", "
        yield f'{members}{comma}"label": "{label}", "probability": {_format_probability(probability)}}}'


def _array_lines(objects: Iterable[str]) -> Iterator[str]:
    before = "[\n"
    for line in objects:
        yield before + line
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _format_probability(probability: float) -> str:
    return f"{probability:.6f}"
