"""Parquet files: opened with errors of one line, and read in batches of bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.tables.lines import HOLDS_NUL
from pipeline.tables.parquet_pages import array_bytes, largest_row

BATCH_BYTES = 16 * 2**20
"""Bytes that are held and written at a time, plus at most one review: a thousand of the longest would take 10 GB."""
BATCH_ROWS = 1024
"""Rows of a batch, unless they take more than `BATCH_BYTES`."""
MAX_ROWS = 100_000_000
MAX_DECODED = 128 * 2**20
"""Bytes of the rows that are decoded at a time, unless a single row takes more."""
WRITE_AGAIN = "write it again as Parquet, with text in UTF-8"
"""Remedy for a user's file; a file that the pipeline has written is made again."""


@contextmanager
def open_parquet(
    path: Path, remedy: str = WRITE_AGAIN, footer: pq.FileMetaData | None = None
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; errors while it is read in the block are translated as well.

    Args:
        path: path of the file.
        remedy: end of the message if the file is missing or damaged.
        footer: the file's metadata, where it is known already; None reads it.

    Raises:
        PipelineError: the file is missing or damaged; the message ends with the remedy.
    """
    try:
        # pre-buffering, pyarrow's default, would keep in memory all that has been read
        with translate_os_errors(path), pq.ParquetFile(path, metadata=footer, pre_buffer=False) as file:
            yield file
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; {remedy}") from None
    except UnicodeDecodeError:
        raise PipelineError(f"{path} is damaged (its column names are not UTF-8); {remedy}") from None
    except (pa.ArrowException, OSError) as error:
        raise PipelineError(f"{path} is damaged ({str(error).splitlines()[0][:300]}); {remedy}") from None


@contextmanager
def open_with_columns(path: Path, columns: Mapping[str, pa.DataType], remedy: str) -> Iterator[pq.ParquetFile]:
    """Do what `open_parquet` does for a file that the pipeline has written with these columns.

    Raises:
        PipelineError: the file is missing or damaged, or a column is missing or of another type.
    """
    with open_parquet(path, remedy) as file:
        for name, expected in columns.items():
            types = [field.type for field in file.schema_arrow if field.name == name]
            if types != [expected]:
                actual = " and ".join(map(str, types)) or "nothing"
                raise PipelineError(f"{path} is damaged: its column {name!r} holds {actual}, not {expected}; {remedy}")
        yield file


def require_values(path: Path, table: pa.Table | pa.RecordBatch, columns: Iterable[str], remedy: str) -> None:
    """Refuse a table of a file that the pipeline has written if one of these columns lacks a value.

    Raises:
        PipelineError: it does; the message ends with the remedy.
    """
    for name in columns:
        if table[name].null_count:
            raise PipelineError(f"{path} is damaged: its column {name!r} lacks a value; {remedy}")


def parquet_batches(
    path: Path,
    rows: int,
    columns: list[str] | None = None,
    group: int | None = None,
    max_bytes: int = BATCH_BYTES,
    remedy: str = WRITE_AGAIN,
    footer: pq.FileMetaData | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read a file, or one of its row groups, in batches of `rows` rows, or of fewer if rows are large.

    Args:
        path: path of the file.
        rows: rows of each batch but the last, unless they take more than `max_bytes`.
        columns: names of the columns to read; None for all.
        group: index of the row group to read; None for all.
        max_bytes: bytes of a batch, exceeded by less than what is decoded at a time.
        remedy: end of the message if the file is missing or damaged.
        footer: as for `open_parquet`.

    Raises:
        PipelineError: the file is missing or damaged, a text is not UTF-8, or reading takes too much memory.
    """
    waiting: list[pa.RecordBatch] = []
    held = size = 0
    with open_parquet(path, remedy, footer) as file:
        for batch in _decoded_batches(path, file, rows, columns, group):
            batch.validate(full=True)  # finds text that is not UTF-8
            waiting.append(batch)
            held += batch.num_rows
            size += _batch_bytes(batch)
            while held >= rows or size > max_bytes:
                joined = _joined(waiting)
                yield joined[:rows]
                waiting = [joined[rows:]] if held > rows else []
                held = max(0, held - rows)
                size = sum(map(_batch_bytes, waiting))
    if waiting:
        yield _joined(waiting)


def without_nul(path: Path, batches: Iterable[pa.RecordBatch], texts: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file, and refuse a NUL character in its columns of texts, as in files of other formats.

    Raises:
        PipelineError: there is one; the message names the row.
    """
    rows = 0
    for batch in batches:
        for name in texts:
            holds = pc.match_substring(batch[name].cast(pa.large_string()), "\0")
            place = pc.index(holds, True).as_py()
            if place >= 0:
                raise PipelineError(f"{path}, row {rows + place + 1}: {name!r} {HOLDS_NUL}")
        rows += batch.num_rows
        yield batch


def _decoded_batches(
    path: Path, file: pq.ParquetFile, rows: int, columns: list[str] | None, group: int | None
) -> Iterator[pa.RecordBatch]:
    groups = range(file.num_row_groups) if group is None else [group]
    total = sum(file.metadata.row_group(index).num_rows for index in groups)
    if total > MAX_ROWS:
        raise PipelineError(f"{path} has {total:,} rows; give a file of at most {MAX_ROWS:,}")
    for index in groups:
        row = largest_row(path, file, columns, index)
        yield from file.iter_batches(min(max(1, MAX_DECODED // max(1, row)), rows), row_groups=[index], columns=columns)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    (joined,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return joined


def _batch_bytes(batch: pa.RecordBatch) -> int:
    return sum(map(array_bytes, batch.columns))
