"""Predictions for CSV, TSV, XLSX, JSON and plain text files: the same rows with the answers added, streamed.

Users' values are passed through unchanged: those of CSV and TSV as text, a JSON object as it stands in its file.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.config.file_format import AUTOMATIC, FileFormat
from pipeline.runtime.errors import PipelineError
from pipeline.tables.answer_columns import AnswerValues, FileColumns, WantedColumns, require_free
from pipeline.tables.csv_lines import csv_line
from pipeline.tables.delimited import Delimited
from pipeline.tables.joining import joined_text
from pipeline.tables.json_rows import JsonRow, json_text
from pipeline.tables.table_reader import JsonTable, Table

AnswerRows = Callable[[Iterable[tuple[Any, str]]], Iterator[tuple[Any, AnswerValues]]]
"""`Predictor.stream`: from rows with their texts to the same rows with answers."""

PLAIN = ".txt"
"""Ending of a file with one text per line."""


def answered_lines(table: Table, file_format: FileFormat, columns: WantedColumns, answer: AnswerRows) -> Iterator[str]:
    """Read a table that is no Parquet, and yield the lines of the output.

    The first JSON object with a text column decides about the columns.

    Args:
        table: the table.
        file_format: what it was opened with.
        columns: the columns that are asked for.
        answer: the classifier.

    Raises:
        PipelineError: there is no such column, a row does not fit the header, or the file is damaged.
    """
    if not isinstance(table.reader, JsonTable):
        return _delimited_lines(table, file_format, columns, answer)
    objects = _json_objects(_json_texts(table.path, table.reader, columns), answer)
    return _array_lines(objects) if table.reader.array else (f"{line}\n" for line in objects)


def plain_text(line: str, place: str) -> str:
    """Return a line without its end; `place` names it in the error.

    Raises:
        PipelineError: it holds a carriage return, which may be the end of what was meant as a line.
    """
    text = line.rstrip("\r\n")
    if "\r" in text:
        problem = "a carriage return without a line feed; convert the line ends: `tr '\\r' '\\n' < old > new`"
        raise PipelineError(f"{place}: {problem}")
    return text


def plain_lines(lines: Iterable[str], answer: AnswerRows) -> Iterator[str]:
    """Read one text per line; write label, probability and text, separated by tabs."""
    texts = (line.rstrip("\r\n") for line in lines)
    for text, (label, probability, _) in answer((text, text) for text in texts):
        yield f"{label}\t{probability:.4f}\t{text}\n"


def _delimited_lines(
    table: Table, file_format: FileFormat, columns: WantedColumns, answer: AnswerRows
) -> Iterator[str]:
    if isinstance(table.reader, Delimited):
        delimiter, written_format = table.reader.delimiter, file_format
    else:  # XLSX, whose answers are CSV
        delimiter, written_format = ",", AUTOMATIC
    names = table.schema.names
    chosen = columns.of_file(str(table.path), names, header=not file_format.columns)
    texts = [names.index(column) for column in chosen.texts]
    batches = ([column.to_pylist() for column in batch.columns] for batch in table.batches())
    rows = (row for values in batches for row in zip(*values, strict=True))
    if not file_format.columns:
        yield _delimited_line([*names, *chosen.added], delimiter, written_format)
    for row, answered in answer((row, joined_text(row[index] for index in texts)) for row in rows):
        added = [answered[0], *map(_format_probability, chosen.added_probabilities(answered))]
        yield _delimited_line([*row, *added], delimiter, written_format)


def _delimited_line(values: Iterable[str], delimiter: str, file_format: FileFormat) -> str:
    unquoted = file_format.quoting == "none"
    try:
        return csv_line(
            values,
            delimiter=delimiter,
            quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL,
            quotechar=None if unquoted else '"',
            escapechar=file_format.escape,
            doublequote=file_format.escape is None,
        )
    except csv.Error:  # the values of the file were read in the same format
        raise PipelineError(
            f"a class or --prefix has {delimiter!r} in its name, which cannot be written without quotes; give a file "
            "with quotes or another delimiter"
        ) from None


def _json_texts(
    source: Path, reader: JsonTable, columns: WantedColumns
) -> Iterator[tuple[tuple[JsonRow, FileColumns], str]]:
    """Yield each JSON object and the columns, with its text."""
    chosen: FileColumns | None = None  # in the objects without a text, it is an empty one
    for row in reader.rows():
        if chosen is None:
            deciding = next((other for other in reader.rows() if columns.texts_among(other.values)), row)
            chosen = columns.of_file(f"{source}, line {deciding.line}", list(deciding.values))
        require_free(f"{source}, line {row.line}", list(row.values), chosen)
        yield (row, chosen), joined_text(json_text(row, column, source) for column in chosen.texts)


def _json_objects(rows: Iterable[tuple[tuple[JsonRow, FileColumns], str]], answer: AnswerRows) -> Iterator[str]:
    for (row, chosen), answered in answer(rows):
        members = row.text[: row.text.rindex("}")]
        comma = "" if members.rstrip().endswith("{") else ", "
        values = [_json_string(answered[0]), *map(_format_probability, chosen.added_probabilities(answered))]
        added = (f"{_json_string(name)}: {value}" for name, value in zip(chosen.added, values, strict=True))
        yield f"{members}{comma}{', '.join(added)}}}"


def _array_lines(objects: Iterable[str]) -> Iterator[str]:
    before = "[\n"
    for line in objects:
        yield before + line
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _format_probability(probability: float) -> str:
    return f"{probability:.6f}"
