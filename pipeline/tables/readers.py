"""CSV, TSV, JSONL and Parquet files as streams of record batches.

CSV and TSV columns are text. JSONL columns get the type that fits all their values (text for a mixture, with
anything that is not text written as JSON). Parquet columns keep their types.
"""

import codecs
import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipeline.runtime.errors import PipelineError
from pipeline.tables import parquet
from pipeline.tables.parquet import BATCH_BYTES

ROWS = 1024
"""Rows of a batch, unless they take more than `BATCH_BYTES`."""
BLOCK = 2 * 2**20
"""Bytes of a CSV file read at a time; no row may be longer."""
LONGEST_LINE = 32 * 2**20
"""Bytes of a line of a JSONL file: the longest review with each letter written as `\\u0000`."""
MAX_COLUMNS = 10_000
DELIMITERS = {".csv": ",", ".tsv": "\t"}


def schema(path: Path) -> pa.Schema:
    """The columns of a file and their types.

    Raises:
        PipelineError: the ending is unknown, the file is empty or damaged, or a column name occurs twice.
    """
    with _readable(path):
        match path.suffix.lower():
            case ".csv" | ".tsv":
                found = _text_schema(path)
            case ".jsonl":
                found = _jsonl_schema(path)
            case ".parquet":
                found = pq.read_schema(path).remove_metadata()
            case suffix:
                endings = ".csv, .tsv, .jsonl or .parquet"
                raise PipelineError(f"{path}: the ending {suffix!r} is unknown; give a file that ends in {endings}")
    if not found.names:
        raise PipelineError(f"{path} is empty; give a file with reviews")
    _require_few(path, len(found.names))
    repeated = {name for name, times in Counter(found.names).items() if times > 1}
    if repeated:
        raise PipelineError(f"{path}: the column {min(repeated)!r} is there more than once; rename one")
    return found


def batches(path: Path, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a file in batches with `columns`, which must be part of the file's `schema`.

    Raises:
        PipelineError: a row cannot be read; the line names it.
    """
    with _readable(path):
        match path.suffix.lower():
            case ".csv" | ".tsv":
                yield from _open_text(path, columns)
            case ".jsonl":
                yield from _jsonl_batches(path, columns)
            case ".parquet":
                with pq.ParquetFile(path, pre_buffer=False) as file:
                    for batch in parquet.batches(path, file, ROWS, columns.names):
                        yield batch.select(columns.names)


def _text_schema(path: Path) -> pa.Schema:
    with path.open("rb") as file:
        if file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            raise PipelineError(f"{path}: UTF-16, not UTF-8; convert the file to UTF-8")
        file.seek(0)
        header = StringIO(file.read(BLOCK).decode("latin-1"), newline="")
    try:
        columns = next(csv.reader(header, delimiter=DELIMITERS[path.suffix.lower()]), [])
    except csv.Error as error:
        raise PipelineError(f"{path}: the column names cannot be read ({error}); correct the first line") from None
    _require_few(path, len(columns))  # pyarrow ends the process where they fit into no memory
    with _open_text(path, None) as reader:
        return pa.schema([(name, pa.string()) for name in reader.schema.names])


def _open_text(path: Path, columns: pa.Schema | None) -> pacsv.CSVStreamingReader:
    return pacsv.open_csv(
        path,
        # One thread: pyarrow gives the number of a bad row only then.
        pacsv.ReadOptions(use_threads=False, block_size=BLOCK),
        pacsv.ParseOptions(delimiter=DELIMITERS[path.suffix.lower()], newlines_in_values=True),
        pacsv.ConvertOptions(column_types=columns, include_columns=columns.names) if columns else None,
    )


def _require_few(path: Path, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise PipelineError(f"{path} has {columns:,} columns; give a file of at most {MAX_COLUMNS:,}")


def _json_rows(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Each row, and how many bytes its line has."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise PipelineError(f"{path}, line {number}: longer than {LONGEST_LINE // 2**20} MB; split it")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                row = json.loads(text) if text.strip() else None
            except UnicodeDecodeError:
                raise PipelineError(f"{path}, line {number}: not UTF-8; convert the file to UTF-8") from None
            except (ValueError, RecursionError) as error:
                raise PipelineError(f"{path}, line {number}: not JSON ({error}); correct the line") from None
            if row is not None and not isinstance(row, dict):
                raise PipelineError(f'{path}, line {number}: not a JSON object; write {{"column": value, …}}')
            if row is not None:
                yield row, len(line)


def _jsonl_schema(path: Path) -> pa.Schema:
    kinds: dict[str, set[type]] = defaultdict(set)
    for row, _ in _json_rows(path):
        _require_few(path, max(len(kinds), len(row)))
        for name, value in row.items():
            kinds[name].add(type(value))
    return pa.schema({name: _common_type(found - {type(None)}) for name, found in kinds.items()})


def _common_type(kinds: set[type]) -> pa.DataType:
    if not kinds:
        return pa.null()
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def _jsonl_batches(path: Path, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = _json_rows(path)
    while batch := list(_taken(rows)):
        yield pa.record_batch([_json_column(batch, field) for field in columns], schema=columns)


def _taken(rows: Iterator[tuple[dict[str, Any], int]]) -> Iterator[dict[str, Any]]:
    """The next rows that make a batch."""
    size = 0
    for row, length in islice(rows, ROWS):
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
def _readable(path: Path) -> Iterator[None]:
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
            problem = f"a row is longer than {BLOCK // 2**20} MB; look for a quote that is not closed"
        elif "UTF8" in problem:
            problem += "; convert the file to UTF-8"
        raise PipelineError(f"{path} cannot be read: {problem[:300]}") from None
