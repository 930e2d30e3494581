"""Parquet files of unknown origin, read in batches of bounded memory.

A file of a few kilobytes may unpack to any size: a page of zeros, a dictionary with one long value that stands in a
million rows. What the footer says of sizes may be false, and pyarrow allocates what a page's header asks for. So these
headers are read first. A value is never larger than the largest page of its column, so that tells how many rows may be
decoded at a time. What takes much memory and little of the file is refused.
"""

from collections.abc import Iterator
from io import SEEK_CUR
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.runtime.errors import PipelineError

BATCH_BYTES = 16 * 2**20
"""Text that is held and written at a time, and at most one review more: a thousand of the longest would take 10 GB."""
MAX_ROWS = 100_000_000
MAX_PAGES = 256 * 2**20
"""Bytes that the largest pages, the dictionaries and the lists of all columns of a row group take together."""
PROPORTION = 4
"""Bytes that they may take beyond that for each that they have in the file: a wide table is no bomb."""
MAX_DECODED = 128 * 2**20
"""Bytes that rows decoded at a time take at most, unless a single row takes more."""
ROWS = 1024
REMEDY = "write it anew with smaller pages and row groups, as pandas and pyarrow do"

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value, by its physical type."""
DECIMAL = 32
"""Those of a decimal as Arrow holds it at most, whatever its physical type."""
POINTER = 16
"""Those that Arrow takes for each string of a dictionary or list, beside the string itself."""
LEVELS = 4
"""Those for each value of a list that tell to which row it belongs."""
INDEX = 4

# of parquet.thrift
SIZE, PACKED_SIZE, DATA, DICTIONARY, DATA_V2 = 2, 3, 5, 7, 8
"""Fields of the header of a page."""
VALUES = 1
"""Field of each of the last three."""
ENCODINGS = {DATA: 2, DATA_V2: 4}
PREFIXES = 7
"""The encoding in which a value may repeat the beginning of the one before it."""


class _Pages(NamedTuple):
    """Those of a column in a row group."""

    largest: int
    """Bytes."""
    dictionary: int
    """Bytes, as Arrow holds it."""
    packed_largest: int
    """Bytes of the largest and of the dictionary in the file."""
    packed: int
    """Bytes of all in the file."""
    values: int
    prefixes: bool
    """Whether values repeat the beginnings of others."""


def batches(
    path: Path,
    file: pq.ParquetFile,
    rows: int,
    columns: list[str] | None = None,
    group: int | None = None,
    max_bytes: int = BATCH_BYTES,
) -> Iterator[pa.RecordBatch]:
    """Read a file, or one of its row groups, in batches of `rows` rows, and of fewer where rows are large.

    Args:
        path: of the file.
        file: the same, open, without pre-buffering: that would keep all that was read.
        rows: of each batch but the last, unless they take more than `max_bytes`.
        columns: None for all.
        group: None for all.
        max_bytes: of a batch; exceeded by less than what is decoded at a time.

    Raises:
        PipelineError: the file would take too much memory.
        pa.ArrowException: the file is damaged, or a text is not UTF-8.
    """
    waiting: list[pa.RecordBatch] = []
    held = size = 0
    for batch in _decoded(path, file, rows, columns, group):
        batch.validate(full=True)  # text that is not UTF-8
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


def _decoded(
    path: Path, file: pq.ParquetFile, rows: int, columns: list[str] | None, group: int | None
) -> Iterator[pa.RecordBatch]:
    groups = range(file.num_row_groups) if group is None else [group]
    total = sum(file.metadata.row_group(index).num_rows for index in groups)
    if total > MAX_ROWS:
        raise PipelineError(f"{path} has {total:,} rows; give a file of at most {MAX_ROWS:,}")
    for index in groups:
        row = _largest_row(path, file, columns, index)
        yield from file.iter_batches(min(max(1, MAX_DECODED // max(1, row)), rows), row_groups=[index], columns=columns)


def _largest_row(path: Path, file: pq.ParquetFile, columns: list[str] | None, group: int) -> int:
    """Bytes that a row of a group takes at most.

    Raises:
        PipelineError: decoding takes too much memory, however few rows at a time.
    """
    described = file.metadata.row_group(group)
    pages = row = packed = 0
    with path.open("rb") as raw:
        for index in range(described.num_columns):
            chunk, column = described.column(index), file.schema.column(index)
            if columns is not None and not any(f"{column.path}.".startswith(f"{name}.") for name in columns):
                continue
            width = _width(column)
            measured = _measured(path, raw, chunk, POINTER if width is None else width)
            pages += measured.largest + measured.dictionary
            if column.max_repetition_level:
                packed += measured.packed
                _require_proportion(path, group, pages + measured.values * (LEVELS + (width or INDEX)), packed)
                lists, mean = _lists(path, column, group, described.num_rows, measured)
                pages += lists
                row += mean
            else:
                packed += measured.packed_largest
                row += measured.largest if width is None else width
            _require_proportion(path, group, max(pages, row), packed)
    return row


def _require_proportion(path: Path, group: int, size: int, packed: int) -> None:
    if size > MAX_PAGES + PROPORTION * min(packed, path.stat().st_size):
        raise PipelineError(f"{path}: row group {group + 1} takes {size // 2**20:,} MB to read; {REMEDY}")


def _width(column: pq.ColumnSchema) -> int | None:
    """Bytes of each value; None where they differ."""
    if column.logical_type.type == "DECIMAL":
        return DECIMAL
    if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
        return int(column.length)
    return WIDTHS.get(column.physical_type)


def _lists(path: Path, column: pq.ColumnSchema, group: int, rows: int, pages: _Pages) -> tuple[int, int]:
    """Bytes that the lists of a column take in one row, which may hold all, and those that a row takes on average.

    Args:
        path: of the file.
        column: of lists.
        group: of rows.
        rows: in the group.
        pages: of the column in the group.
    """
    width = pages.largest if pages.prefixes else _width(column)
    if width is not None:
        size = pages.values * (LEVELS + width)
        return size, size // max(1, rows)
    largest = 0
    # as indices into a dictionary the values are small, however long and often one of them stands there
    with pq.ParquetFile(path, read_dictionary=[column.path], pre_buffer=False) as file:
        for batch in file.iter_batches(ROWS, row_groups=[group], columns=[column.path]):
            leaf = batch.column(0)
            while pa.types.is_nested(leaf.type):
                leaf = leaf.field(0) if pa.types.is_struct(leaf.type) else leaf.flatten()
            largest = max(largest, _bytes(leaf) + POINTER * len(leaf))
    return pages.values * (LEVELS + INDEX) + largest, largest // ROWS


def _measured(path: Path, raw: BinaryIO, chunk: pq.ColumnChunkMetaData, entry: int) -> _Pages:
    """Read the headers of the pages that Arrow is going to read: until all values are there.

    Args:
        path: of the file.
        raw: the same, open.
        chunk: a column of a row group.
        entry: bytes that Arrow takes for a value of the dictionary, beside those of its page.
    """
    place = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        place = min(place, chunk.dictionary_page_offset)
    end = place + chunk.total_compressed_size
    values = largest = dictionary = packed = packed_largest = packed_dictionary = 0
    prefixes = False
    try:
        while values < chunk.num_values and place < end:
            raw.seek(place)
            header = _struct(raw)
            size, packed_size = _count(header, SIZE), _count(header, PACKED_SIZE)
            if DICTIONARY in header:
                dictionary = max(dictionary, size + entry * _count(header[DICTIONARY], VALUES))
                packed_dictionary = packed_size
            largest = max(largest, size)
            packed_largest = max(packed_largest, packed_size)
            packed += packed_size
            for kind, encoding in ENCODINGS.items():
                if kind in header:
                    values += _count(header[kind], VALUES)
                    prefixes |= header[kind][encoding] == PREFIXES
            place = raw.tell() + packed_size
    except (ValueError, KeyError, TypeError, OSError):
        raise PipelineError(f"{path} is damaged: {chunk.path_in_schema!r} has no page at byte {place:,}") from None
    return _Pages(largest, dictionary, packed_largest + packed_dictionary, packed, values, prefixes)


def _count(fields: dict[int, Any], field: int) -> int:
    """A size or number that a header tells.

    Raises:
        ValueError: it is negative, or does not fit into 32 bits, of which Arrow takes what does.
    """
    value = int(fields[field])
    if not 0 <= value < 2**31:
        raise ValueError
    return value


def _struct(raw: BinaryIO, depth: int = 0) -> dict[int, Any]:
    """Read a struct of Thrift's compact protocol: its integers of 32 bits and its structs, by field.

    Fields of other types are passed over, as Arrow does where it expects an integer of 32 bits.

    Raises:
        ValueError: it is none, or holds what no header of a page does, such as a field twice.
    """
    fields: dict[int, Any] = {}
    number = 0
    while kind := _byte(raw):
        number = number + (kind >> 4) if kind >> 4 else _integer(raw)
        if number in fields or depth > 2:
            raise ValueError
        fields[number] = None
        match kind & 15:
            case 1 | 2:  # true, false
                pass
            case 3:
                _byte(raw)
            case 4 | 6:  # 16 and 64 bits
                _varint(raw)
            case 5:
                fields[number] = _integer(raw)
            case 7:
                raw.seek(8, SEEK_CUR)
            case 8:  # bytes
                raw.seek(_varint(raw), SEEK_CUR)
            case 12:
                fields[number] = _struct(raw, depth + 1)
            case _:
                raise ValueError
    return fields


def _integer(raw: BinaryIO) -> int:
    value = _varint(raw)
    return (value >> 1) ^ -(value & 1)


def _varint(raw: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(raw)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError


def _byte(raw: BinaryIO) -> int:
    (byte,) = raw.read(1)  # none at the end: a ValueError
    return byte


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    (joined,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return joined


def _batch_bytes(batch: pa.RecordBatch) -> int:
    return sum(map(_bytes, batch.columns))


def _bytes(column: pa.Array) -> int:
    """What an array takes; one with a dictionary of strings, where that is written out."""
    if not pa.types.is_dictionary(column.type) or not _of_strings(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(lengths).as_py() or 0)


def _of_strings(values: pa.DataType) -> bool:
    kinds = pa.types
    return any(of(values) for of in (kinds.is_string, kinds.is_large_string, kinds.is_binary, kinds.is_large_binary))
