"""Reader of users' tables, the only one: CSV, TSV, JSONL, JSON, Parquet, packed or not, as streams of record batches.

CSV and TSV columns are text. JSON columns get the type that fits all their values; in a mixture every value becomes
text, and what is not text is written as JSON. Parquet columns keep their types.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pyarrow as pa

from pipeline.config.file_format import AUTOMATIC, FileFormat
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.delimited import MAX_COLUMNS, Delimited
from pipeline.tables.json_rows import JsonRow, holds_array, json_rows, json_text
from pipeline.tables.parquet import BATCH_BYTES, open_parquet, parquet_batches
from pipeline.tables.unpacked import stated_encoding, table_ending, unpacked_file

BATCH_ROWS = 1024
"""Rows of a batch, unless they take more than `BATCH_BYTES`."""
JSON_ENDINGS = (".jsonl", ".json")
PARQUET = ".parquet"
TABLE_ENDINGS = (*DELIMITERS, *JSON_ENDINGS, PARQUET)


def table_form(path: Path, file_format: FileFormat = AUTOMATIC) -> str:
    """Describe the format of a file for people, with what was detected: `CSV, ';', UTF-8`.

    Raises:
        PipelineError: the file cannot be read.
    """
    ending = table_ending(path, TABLE_ENDINGS)
    if ending in DELIMITERS:
        return Delimited(path, ending, file_format).form
    if ending == PARQUET:
        return "Parquet"
    kind = "JSON array" if is_array(path, ending, file_format) else "JSON lines"
    return f"{kind}, {stated_encoding(path, file_format.encoding).upper()}"


def table_schema(path: Path, file_format: FileFormat = AUTOMATIC) -> pa.Schema:
    """Read the columns of a file and their types.

    Raises:
        PipelineError: the ending is unknown, the file is empty or damaged, or a column name occurs twice.
    """
    ending = table_ending(path, TABLE_ENDINGS)
    with _translate_errors(path):
        if ending in DELIMITERS:
            schema = pa.schema([(name, pa.string()) for name in Delimited(path, ending, file_format).columns])
        elif ending == PARQUET:
            with unpacked_file(path) as unpacked, open_parquet(unpacked) as file:
                schema = file.schema_arrow.remove_metadata()
        else:
            schema = _json_schema(path, ending, file_format)
    if not schema.names:
        raise PipelineError(f"{path} is empty; give a file with reviews")
    _require_few_columns(path, len(schema.names))
    require_distinct(path, schema.names)
    return schema


def table_batches(
    path: Path, columns: pa.Schema, file_format: FileFormat = AUTOMATIC, texts: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Read the rows of a file in batches with `columns`, which must be part of the file's `table_schema`.

    In JSON, a value of the columns `texts` that is no text is an error, not converted.

    Raises:
        PipelineError: a row cannot be read; the message names it.
    """
    ending = table_ending(path, TABLE_ENDINGS)
    with _translate_errors(path):
        if ending in DELIMITERS:
            yield from Delimited(path, ending, file_format).batches(columns.names)
        elif ending == PARQUET:
            with unpacked_file(path) as unpacked:
                for batch in parquet_batches(unpacked, BATCH_ROWS, columns.names):
                    yield batch.select(columns.names)
        else:
            yield from _json_batches(path, ending, columns, file_format, texts)


def is_array(path: Path, ending: str, file_format: FileFormat) -> bool:
    """Return True for a JSON file that holds an array, False for one with an object a line."""
    return ending == ".json" and holds_array(path, file_format.encoding)


def require_distinct(path: Path, columns: list[str]) -> None:
    """Check that no column name occurs twice.

    Raises:
        PipelineError: one does.
    """
    repeated = {name for name, times in Counter(columns).items() if times > 1}
    if repeated:
        raise PipelineError(f"{path}: the column {min(repeated)!r} occurs more than once; rename one")


def require_text(path: Path, column: pa.Field) -> None:
    """Check that a column holds text.

    Raises:
        PipelineError: it does not.
    """
    values = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if values not in {pa.string(), pa.large_string(), pa.string_view(), pa.null()}:
        raise PipelineError(f"{path}: {column.name!r} holds {column.type}, not text; name another column")


def _require_few_columns(path: Path, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise PipelineError(f"{path} has {columns:,} columns; give a file of at most {MAX_COLUMNS:,}")


def _json_schema(path: Path, ending: str, file_format: FileFormat) -> pa.Schema:
    types: dict[str, set[type]] = defaultdict(set)
    for row in json_rows(path, file_format.encoding, is_array(path, ending, file_format)):
        _require_few_columns(path, max(len(types), len(row.values)))
        for name, value in row.values.items():
            types[name].add(type(value))
    return pa.schema({name: _common_type(seen - {type(None)}) for name, seen in types.items()})


def _common_type(types: set[type]) -> pa.DataType:
    if not types:
        return pa.null()
    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return pa.int64()
    return pa.float64() if types <= {int, float} else pa.string()


def _json_batches(
    path: Path, ending: str, columns: pa.Schema, file_format: FileFormat, texts: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    rows = json_rows(path, file_format.encoding, is_array(path, ending, file_format))
    while batch := list(_rows_of_batch(rows)):
        for column in texts:
            for row in batch:
                json_text(row, column, path)
        yield pa.record_batch([_json_column(batch, field) for field in columns], schema=columns)


def _rows_of_batch(rows: Iterator[JsonRow]) -> Iterator[JsonRow]:
    size = 0
    for row in islice(rows, BATCH_ROWS):
        yield row
        size += len(row.text)
        if size > BATCH_BYTES:
            return


def _json_column(rows: Iterable[JsonRow], field: pa.Field) -> pa.Array:
    values = [row.values.get(field.name) for row in rows]
    if field.type == pa.string():
        values = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return pa.array(values, field.type)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Turn the errors of converting values into a `PipelineError` that names the file."""
    try:
        yield
    except OverflowError:
        raise PipelineError(f"{path} cannot be read: a number does not fit into 64 bits; write it in quotes") from None
    except (pa.ArrowException, OSError, UnicodeEncodeError) as error:
        raise PipelineError(f"{path} cannot be read: {str(error).splitlines()[0][:300]}") from None
