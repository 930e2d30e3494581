"""Memory that decoding a row group of a Parquet file takes, measured from the headers of its pages.

A file of a few kilobytes may unpack to any size: a page of zeros, a dictionary whose one long value occurs in a million
rows. The sizes in the footer may be false, and pyarrow allocates whatever the header of a page asks for, so these
headers are read first. No value is larger than the largest page of its column, which bounds the number of rows that may
be decoded at a time. What takes much memory but little of the file is refused.
"""

from io import SEEK_CUR
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.runtime.errors import PipelineError

MAX_PAGES = 256 * 2**20
"""Bytes that the largest pages, the dictionaries and the lists of all columns of a row group may take together."""
PROPORTION = 4
"""Bytes that they may take beyond that for each byte they take in the file: a wide table is no bomb."""
LIST_ROWS = 1024
"""Rows decoded at a time to measure a column of lists."""
SMALLER_PAGES = "write it again with smaller pages and row groups, as pandas and pyarrow do"

VALUE_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value, by physical type."""
DECIMAL_BYTES = 32
"""Maximum number of bytes that Arrow takes for a decimal, whatever its physical type."""
POINTER_BYTES = 16
"""Bytes that Arrow takes for each string of a dictionary or list, beside the string itself."""
LEVEL_BYTES = 4
"""Bytes for each value of a list that tell which row it belongs to."""
INDEX_BYTES = 4
"""Bytes of an index into a dictionary."""

# field numbers of parquet.thrift
PAGE_SIZE, PACKED_PAGE_SIZE, DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 2, 3, 5, 7, 8
"""Fields of the header of a page; the last three hold a header of their own."""
VALUES = 1
"""Field of those three headers: number of values."""
ENCODINGS = {DATA_PAGE: 2, DATA_PAGE_V2: 4}
"""Field of the headers of data pages: encoding of the values."""
DELTA_BYTE_ARRAY = 7
"""Encoding in which a value may repeat the beginning of the one before it."""


class _Pages(NamedTuple):
    """Sizes of the pages of a column in a row group."""

    largest: int
    """Bytes of the largest page."""
    dictionary: int
    """Bytes of the dictionary, as Arrow holds it."""
    packed_largest: int
    """Bytes that the largest page and the dictionary take in the file."""
    packed: int
    """Bytes that all pages take in the file."""
    values: int
    """Number of values."""
    prefixes: bool
    """True if values may repeat the beginnings of others."""


def largest_row(path: Path, file: pq.ParquetFile, columns: list[str] | None, group: int) -> int:
    """Return the most bytes that a row of a group can take.

    Raises:
        PipelineError: decoding takes too much memory, however few rows at a time.
    """
    metadata = file.metadata.row_group(group)
    # not `file.schema`: footer and schema would hold each other in memory, a footer for each row group that is read
    schema = pq.ParquetSchema(file.metadata)
    pages = row = packed = 0
    with path.open("rb") as raw:
        for index in range(metadata.num_columns):
            chunk, column = metadata.column(index), schema.column(index)
            if columns is not None and not any(f"{column.path}.".startswith(f"{name}.") for name in columns):
                continue
            width = _width(column)
            sizes = _measure_pages(path, raw, chunk, POINTER_BYTES if width is None else width)
            pages += sizes.largest + sizes.dictionary
            if column.max_repetition_level:
                packed += sizes.packed
                _require_proportion(path, group, pages + sizes.values * (LEVEL_BYTES + (width or INDEX_BYTES)), packed)
                lists, mean = _lists(path, column, group, metadata.num_rows, sizes)
                pages += lists
                row += mean
            else:
                packed += sizes.packed_largest
                row += sizes.largest if width is None else width
            _require_proportion(path, group, max(pages, row), packed)
    return row


def _require_proportion(path: Path, group: int, size: int, packed: int) -> None:
    if size > MAX_PAGES + PROPORTION * min(packed, path.stat().st_size):
        raise PipelineError(f"{path}: row group {group + 1} takes {size // 2**20:,} MB to read; {SMALLER_PAGES}")


def _width(column: pq.ColumnSchema) -> int | None:
    """Return the bytes of each value of a column; None if they differ."""
    if column.logical_type.type == "DECIMAL":
        return DECIMAL_BYTES
    if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
        return int(column.length)
    return VALUE_BYTES.get(column.physical_type)


def _lists(path: Path, column: pq.ColumnSchema, group: int, rows: int, pages: _Pages) -> tuple[int, int]:
    """Return the bytes that the lists of a column take if one row holds them all, and the bytes of a row on average.

    Args:
        path: path of the file.
        column: column of lists.
        group: index of the row group.
        rows: number of rows in the group.
        pages: pages of the column in the group.
    """
    width = pages.largest if pages.prefixes else _width(column)
    if width is not None:
        size = pages.values * (LEVEL_BYTES + width)
        return size, size // max(1, rows)
    largest = 0
    # read as indices into a dictionary: small, however long a value is and however often it occurs
    with pq.ParquetFile(path, read_dictionary=[column.path], pre_buffer=False) as file:
        for batch in file.iter_batches(LIST_ROWS, row_groups=[group], columns=[column.path]):
            leaf = batch.column(0)
            while pa.types.is_nested(leaf.type):
                leaf = leaf.field(0) if pa.types.is_struct(leaf.type) else leaf.flatten()
            largest = max(largest, array_bytes(leaf) + POINTER_BYTES * len(leaf))
    return pages.values * (LEVEL_BYTES + INDEX_BYTES) + largest, largest // LIST_ROWS


def _measure_pages(path: Path, raw: BinaryIO, chunk: pq.ColumnChunkMetaData, entry: int) -> _Pages:
    """Read the headers of the pages that Arrow is going to read: those up to the last value.

    Args:
        path: path of the file.
        raw: the same file, open.
        chunk: column of a row group.
        entry: bytes that Arrow takes for a value of the dictionary, beside those of its page.

    Raises:
        PipelineError: a header is damaged.
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
            size, packed_size = _header_count(header, PAGE_SIZE), _header_count(header, PACKED_PAGE_SIZE)
            if DICTIONARY_PAGE in header:
                dictionary = max(dictionary, size + entry * _header_count(header[DICTIONARY_PAGE], VALUES))
                packed_dictionary = packed_size
            largest = max(largest, size)
            packed_largest = max(packed_largest, packed_size)
            packed += packed_size
            for page_type, encoding in ENCODINGS.items():
                if page_type in header:
                    values += _header_count(header[page_type], VALUES)
                    prefixes |= header[page_type][encoding] == DELTA_BYTE_ARRAY
            place = raw.tell() + packed_size
    except (ValueError, KeyError, TypeError, OSError):
        raise PipelineError(f"{path} is damaged: {chunk.path_in_schema!r} has no page at byte {place:,}") from None
    return _Pages(largest, dictionary, packed_largest + packed_dictionary, packed, values, prefixes)


def _header_count(fields: dict[int, Any], field: int) -> int:
    """Return a size or number that a header states.

    Raises:
        ValueError: it is negative, or does not fit into 32 bits, to which Arrow would cut it.
    """
    value = int(fields[field])
    if not 0 <= value < 2**31:
        raise ValueError
    return value


def _struct(raw: BinaryIO, depth: int = 0) -> dict[int, Any]:
    """Read a struct of Thrift's compact protocol: its 32-bit integers and its structs, by field number.

    Fields of other types are skipped, as Arrow does where it expects a 32-bit integer.

    Raises:
        ValueError: it is no such struct, or it holds what no header of a page does, such as a field twice.
    """
    fields: dict[int, Any] = {}
    number = 0
    while tag := _byte(raw):
        number = number + (tag >> 4) if tag >> 4 else _integer(raw)
        if number in fields or depth > 2:
            raise ValueError
        fields[number] = None
        match tag & 15:
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
    (byte,) = raw.read(1)  # a ValueError at the end of the file
    return byte


def array_bytes(column: pa.Array) -> int:
    """Return the bytes that an array takes, or would take with its dictionary of strings written out."""
    if not pa.types.is_dictionary(column.type) or not _of_strings(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(lengths).as_py() or 0)


def _of_strings(values: pa.DataType) -> bool:
    types = pa.types
    checks = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(check(values) for check in checks)
