"""Reader of users' CSV, TSV, JSONL and Parquet files, as streams of record batches.

CSV and TSV columns are text. JSONL columns get the type that fits all their values; in a mixture every value becomes
text, and what is not text is written as JSON. Parquet columns keep their types.
"""

import codecs
import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.lines import decode_line, parse_object, read_lines
from pipeline.tables.parquet import BATCH_BYTES, open_parquet, parquet_batches

BATCH_ROWS = 1024
"""Rows of a batch, unless they take more than `BATCH_BYTES`."""
MAX_CSV_ROW = 2 * 2**20
"""Bytes of a CSV file that are read at a time; no row may be longer."""
MAX_COLUMNS = 10_000


def table_schema(path: Path) -> pa.Schema:
    """Read the columns of a file and their types.

    Raises:
        PipelineError: the ending is unknown, the file is empty or damaged, or a column name occurs twice.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            schema = _delimited_schema(path)
        case ".jsonl":
            schema = _jsonl_schema(path)
        case ".parquet":
            with open_parquet(path) as file:
                schema = file.schema_arrow.remove_metadata()
        case suffix:
            endings = ".csv, .tsv, .jsonl or .parquet"
            raise PipelineError(f"{path}: the ending {suffix!r} is unknown; give a file that ends in {endings}")
    if not schema.names:
        raise PipelineError(f"{path} is empty; give a file with reviews")
    _require_few_columns(path, len(schema.names))
    repeated = {name for name, times in Counter(schema.names).items() if times > 1}
    if repeated:
        raise PipelineError(f"{path}: the column {min(repeated)!r} occurs more than once; rename one")
    return schema


def table_batches(path: Path, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Read the rows of a file in batches with `columns`, which must be part of the file's `table_schema`.

    Raises:
        PipelineError: a row cannot be read; the message names it.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            with _translate_text_errors(path):
                yield from _open_delimited(path, columns)
        case ".jsonl":
            with _translate_text_errors(path):
                yield from _jsonl_batches(path, columns)
        case ".parquet":
            for batch in parquet_batches(path, BATCH_ROWS, columns.names):
                yield batch.select(columns.names)


def _delimited_schema(path: Path) -> pa.Schema:
    with _translate_text_errors(path):
        with path.open("rb") as file:
            if file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                raise PipelineError(f"{path}: UTF-16, not UTF-8; convert the file to UTF-8")
            file.seek(0)
            header = StringIO(file.read(MAX_CSV_ROW).decode("latin-1"), newline="")
        try:
            columns = next(csv.reader(header, delimiter=DELIMITERS[path.suffix.lower()]), [])
        except csv.Error as error:
            raise PipelineError(f"{path}: the column names cannot be read ({error}); correct the first line") from None
        _require_few_columns(path, len(columns))  # pyarrow kills the process if they do not fit into memory
        with _open_delimited(path, None) as reader:
            return pa.schema([(name, pa.string()) for name in reader.schema.names])


def _open_delimited(path: Path, columns: pa.Schema | None) -> pacsv.CSVStreamingReader:
    return pacsv.open_csv(
        path,
        # one thread, because only then does pyarrow name the number of a bad row
        pacsv.ReadOptions(use_threads=False, block_size=MAX_CSV_ROW),
        pacsv.ParseOptions(delimiter=DELIMITERS[path.suffix.lower()], newlines_in_values=True),
        pacsv.ConvertOptions(column_types=columns, include_columns=columns.names) if columns else None,
    )


def _require_few_columns(path: Path, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise PipelineError(f"{path} has {columns:,} columns; give a file of at most {MAX_COLUMNS:,}")


def _json_rows(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each row, and the number of bytes of its line."""
    with path.open("rb") as file:
        for number, line in enumerate(read_lines(file.readline), 1):
            text = decode_line(line, str(path), number)
            if text.strip():
                yield parse_object(text, f"{path}, line {number}"), len(line)


def _jsonl_schema(path: Path) -> pa.Schema:
    types: dict[str, set[type]] = defaultdict(set)
    with _translate_text_errors(path):
        for row, _ in _json_rows(path):
            _require_few_columns(path, max(len(types), len(row)))
            for name, value in row.items():
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


def _jsonl_batches(path: Path, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = _json_rows(path)
    while batch := list(_rows_of_batch(rows)):
        yield pa.record_batch([_json_column(batch, field) for field in columns], schema=columns)


def _rows_of_batch(rows: Iterator[tuple[dict[str, Any], int]]) -> Iterator[dict[str, Any]]:
    size = 0
    for row, length in islice(rows, BATCH_ROWS):
        yield row
        size += length
        if size > BATCH_BYTES:
            return


def _json_column(rows: Iterable[dict[str, Any]], field: pa.Field) -> pa.Array:
    values = [row.get(field.name) for row in rows]
    if field.type == pa.string():
        values = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return pa.array(values, field.type)


@contextmanager
def _translate_text_errors(path: Path) -> Iterator[None]:
    """Turn the errors of reading CSV, TSV and JSONL into a `PipelineError` that names the file."""
    try:
        yield
    except UnicodeDecodeError:
        raise PipelineError(f"{path}: the column names are not UTF-8; convert the file to UTF-8") from None
    except OverflowError:
        raise PipelineError(f"{path} cannot be read: a number does not fit into 64 bits; write it in quotes") from None
    except (pa.ArrowException, OSError, UnicodeEncodeError) as error:
        problem = str(error).splitlines()[0]
        if "Empty CSV file" in problem:
            problem = "it has no rows"
        elif "straddling" in problem:
            problem = f"a row is longer than {MAX_CSV_ROW // 2**20} MB; look for a quote that is not closed"
        elif "UTF8" in problem:
            problem += "; convert the file to UTF-8"
        raise PipelineError(f"{path} cannot be read: {problem[:300]}") from None
