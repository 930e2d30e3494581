"""Reader of users' tables, the only one: CSV, TSV, JSONL, JSON, Parquet, XLSX, packed or not, as streams of batches.

CSV, TSV and XLSX columns are text. JSON columns get the type that fits all their values; in a mixture every value
becomes text, and what is not text is written as JSON. Parquet columns keep their types.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline.config.file_format import AUTOMATIC, FileFormat
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.delimited import MAX_COLUMNS, Delimited
from pipeline.tables.encoded_text import stated_encoding
from pipeline.tables.json_rows import JsonRow, holds_array, json_rows, json_text, require_whole_characters
from pipeline.tables.parquet import BATCH_BYTES, BATCH_ROWS, open_parquet, parquet_batches, without_nul
from pipeline.tables.unpacked import table_ending, unpacked_file

PARQUET = ".parquet"
XLSX = ".xlsx"


class _Reader(Protocol):
    """Reader of one file of a format."""

    form: str

    @property
    def schema(self) -> pa.Schema: ...

    def batches(self, columns: Sequence[str], texts: Sequence[str]) -> Iterator[pa.RecordBatch]: ...


class Table:
    """A user's table: what its format was found to be, its columns, and its rows as a stream.

    Args:
        path: path of the file.
        file_format: what its ending does not tell.

    Attributes:
        ending: ending that tells its format, without that of its packing.
        reader: reader of its format.

    Raises:
        PipelineError: the ending is unknown, or the file is damaged.
    """

    def __init__(self, path: Path, file_format: FileFormat = AUTOMATIC) -> None:
        self.path, self.ending = path, table_ending(path, TABLE_ENDINGS)
        with _translate_errors(path):
            self.reader: _Reader = _READERS[self.ending](path, self.ending, file_format)

    @property
    def form(self) -> str:
        """Short description of its format for people, with what was detected: `CSV, ';', UTF-8`."""
        return self.reader.form

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the file and their types.

        Raises:
            PipelineError: the file is empty or damaged, or a column name occurs twice.
        """
        with _translate_errors(self.path):
            schema = self.reader.schema
        if not schema.names:
            raise PipelineError(f"{self.path} is empty; give a file with reviews")
        _require_few_columns(self.path, len(schema.names))
        require_distinct(self.path, schema.names)
        return schema

    def batches(self, columns: Sequence[str] | None = None, texts: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches, with the columns named, or all.

        In JSON, a value of the columns `texts` that is no text is an error, not converted; so is a NUL character in it.

        Raises:
            PipelineError: a row cannot be read; the message names it.
        """
        with _translate_errors(self.path):
            yield from self.reader.batches(self.schema.names if columns is None else columns, texts)


class ParquetTable:
    """A Parquet file."""

    form = "Parquet"

    def __init__(self, path: Path, _ending: str, _file_format: FileFormat) -> None:
        self._path = path

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns and their types."""
        with unpacked_file(self._path) as unpacked, open_parquet(unpacked) as file:
            return pa.schema(map(_without_view, file.schema_arrow))

    def batches(self, columns: Sequence[str], texts: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches."""
        with unpacked_file(self._path) as unpacked:
            for batch in without_nul(self._path, parquet_batches(unpacked, BATCH_ROWS, list(columns)), texts):
                fields = [self.schema.field(name) for name in columns]
                arrays = [batch[field.name].cast(field.type) for field in fields]
                yield pa.record_batch(arrays, pa.schema(fields))


def _without_view(field: pa.Field) -> pa.Field:
    """Return a field of ordinary strings or bytes for one of views of them, which pyarrow cannot filter."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return field.with_type(plain.get(field.type, field.type))


class JsonTable:
    """A JSON file of objects.

    Attributes:
        array: True if they are in an array, False for an object a line.
    """

    def __init__(self, path: Path, ending: str, file_format: FileFormat) -> None:
        self._path, self._encoding = path, stated_encoding(path, file_format.encoding)
        self.array = ending == ".json" and holds_array(path, self._encoding)
        self.form = f"{'JSON array' if self.array else 'JSON lines'}, {self._encoding.upper()}"

    def rows(self) -> Iterator[JsonRow]:
        """Read the objects."""
        return json_rows(self._path, self._encoding, self.array)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns and their types: all of the file is read."""
        types: dict[str, set[type]] = defaultdict(set)
        for row in self.rows():
            _require_few_columns(self._path, max(len(types), len(row.values)))
            for name, value in row.values.items():
                types[name].add(type(value))
        return pa.schema({name: _common_type(seen - {type(None)}) for name, seen in types.items()})

    def batches(self, columns: Sequence[str], texts: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches."""
        schema = pa.schema([self.schema.field(name) for name in columns])
        rows = self.rows()
        while batch := list(_rows_of_batch(rows)):
            for column in texts:
                for row in batch:
                    json_text(row, column, self._path)
            yield pa.record_batch([_json_column(self._path, batch, field) for field in schema], schema=schema)


def _spreadsheet(path: Path, ending: str, file_format: FileFormat) -> _Reader:
    from pipeline.tables.spreadsheet import Spreadsheet  # the import of openpyxl takes long

    return Spreadsheet(path, ending, file_format)


_READERS: dict[str, Callable[[Path, str, FileFormat], _Reader]] = {
    **dict.fromkeys(DELIMITERS, Delimited),
    ".jsonl": JsonTable,
    ".json": JsonTable,
    PARQUET: ParquetTable,
    XLSX: _spreadsheet,
}
TABLE_ENDINGS = tuple(_READERS)
FORMAT_KEYS = {
    **dict.fromkeys(DELIMITERS, ("delimiter", "quoting", "escape", "encoding", "columns")),
    ".jsonl": ("encoding",),
    ".json": ("encoding",),
    PARQUET: (),
    XLSX: ("columns", "sheet"),
}
"""Keys of `FileFormat` that a format has."""


def require_effect(option: str, file_format: FileFormat, formats: Mapping[str, Collection[str]]) -> None:
    """Refuse a stated key that has no effect on any file.

    Args:
        option: configuration section or option that states the format, for the message.
        file_format: the stated format.
        formats: what the files are, for the message, and the keys that they have.

    Raises:
        PipelineError: there is such a key.
    """
    for key, value in file_format:
        if value is not None and not any(key in keys for keys in formats.values()):
            raise PipelineError(f"{option}{key}: has no effect on {' or '.join(sorted(formats))}; leave it out")


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
    if values not in {pa.string(), pa.large_string(), pa.null()}:
        raise PipelineError(f"{path}: {column.name!r} holds {column.type}, not text; name another column")


def _require_few_columns(path: Path, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise PipelineError(f"{path} has {columns:,} columns; give a file of at most {MAX_COLUMNS:,}")


def _common_type(types: set[type]) -> pa.DataType:
    if not types:
        return pa.null()
    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return pa.int64()
    return pa.float64() if types <= {int, float} else pa.string()


def _rows_of_batch(rows: Iterator[JsonRow]) -> Iterator[JsonRow]:
    size = 0
    for row in islice(rows, BATCH_ROWS):
        yield row
        size += len(row.text)
        if size > BATCH_BYTES:
            return


def _json_column(path: Path, rows: Sequence[JsonRow], field: pa.Field) -> pa.Array:
    if field.type != pa.string():
        return pa.array([row.values.get(field.name) for row in rows], field.type)
    values = (row.value(field.name) for row in rows)
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    for row, text in zip(rows, texts, strict=True):
        require_whole_characters(text or "", row, field.name, path)
    return pa.array(texts, field.type)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Turn the errors of converting values into a `PipelineError` that names the file."""
    try:
        yield
    except OverflowError:
        raise PipelineError(f"{path} cannot be read: a number does not fit into 64 bits; write it in quotes") from None
    except (pa.ArrowException, OSError, UnicodeEncodeError) as error:
        raise PipelineError(f"{path} cannot be read: {str(error).splitlines()[0][:300]}") from None
