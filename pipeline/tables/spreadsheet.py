"""Reader of XLSX: the rows of one sheet as texts, as CSV would hold them; formulas give the value stored with them.

Rows are read as a stream by openpyxl's parser of sheets; only the workbook's table of strings is held in memory.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO
from xml.etree.ElementTree import iterparse
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

import pyarrow as pa
from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._reader import DATA_TAG, FORMULA_TAG, ROW_TAG, WorkSheetParser

from pipeline.config.file_format import FileFormat
from pipeline.runtime.errors import PipelineError, listed, refusal
from pipeline.tables.format_advice import option
from pipeline.tables.parquet import BATCH_BYTES, BATCH_ROWS
from pipeline.tables.unpacked import unpacked_file

MAX_PARTS_BYTES = 32 * 2**20
PARTS_PROPORTION = 30
"""A file may unpack to `MAX_PARTS_BYTES`, and this many times its own size; most take up to ten times theirs."""
MAX_SHEET_ROW_BYTES = 10 * 2**20
"""Longest row of XML; Excel allows 32,767 characters in a cell."""
NO_VALUE = "formula without a value"
_PROBLEMS = {
    NO_VALUE: "a formula without its value; open the file in Excel and save it",
    "e": "the error {}; correct the formula, or empty the cell",
}
"""Problems of cells by the type of their data."""

# of parts that no table needs, such as extensions
warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")


class Spreadsheet:
    """An XLSX file: all values are texts; numbers as short as they can be, dates in ISO 8601. Empty rows are no rows.

    Attributes:
        schema: columns, all of texts.
        form: short description for people: `XLSX, sheet 'Reviews'`.

    Raises:
        PipelineError: the file is damaged or unpacks to too much, or several sheets hold rows and none is stated.
    """

    def __init__(self, path: Path, _ending: str, file_format: FileFormat) -> None:
        self._path, self._names = path, file_format.columns
        with self._workbook() as workbook:
            self._sheet = self._choose_sheet(workbook, file_format.sheet)
            self.form = f"XLSX, sheet {self._sheet!r}"
            number, header = next(self._rows(workbook[self._sheet]), (0, {}))
        self._header_row = 0 if self._names else number
        self._columns = dict(enumerate(self._names, 1)) if self._names else header
        """Names by the number of their column."""
        self.schema = pa.schema([(name, pa.string()) for name in self._columns.values()])

    def batches(self, columns: Sequence[str], _texts: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches.

        Raises:
            PipelineError: a value stands below no name, or a formula has no value or an error; the message names the
                cell.
        """
        schema = pa.schema([self.schema.field(name) for name in columns])
        places = [place for column in columns for place, name in self._columns.items() if name == column]
        rows: list[list[str]] = []
        size = 0
        with self._workbook() as workbook:
            for number, row in self._rows(workbook[self._sheet]):
                if number == self._header_row:
                    continue
                if unnamed := row.keys() - self._columns.keys():
                    cell = f"{get_column_letter(min(unnamed))}{number}"
                    raise self._error(f"{cell} has a value, but its column has no name; name the column, or empty it")
                rows.append([row.get(place, "") for place in places])
                size += sum(map(len, rows[-1]))
                if len(rows) == BATCH_ROWS or size > BATCH_BYTES:
                    yield _record_batch(rows, schema)
                    rows, size = [], 0
        if rows:
            yield _record_batch(rows, schema)

    def _choose_sheet(self, workbook: Workbook, stated: str | None) -> str:
        names: list[str] = [sheet.title for sheet in workbook.worksheets]
        if stated is not None:
            if stated not in names:
                problem = f"has no sheet {stated!r}; its sheets are {listed(names)}: name one of these"
                raise PipelineError(f"{self._path} {problem}")
            return stated
        filled = [name for name in names if any(self._rows(workbook[name]))]
        if not filled:
            raise PipelineError(f"{self._path} is empty; give a file with a header and rows")
        if len(filled) > 1:
            raise PipelineError(
                f"{self._path}: the sheets {listed(filled)} hold rows; choose one with {option('sheet', filled[0])}"
            )
        return filled[0]

    def _rows(self, sheet: Any) -> Iterator[tuple[int, dict[int, str]]]:
        """Yield the rows of a sheet that are not empty: their number, and their values by the number of the column."""
        workbook = sheet.parent
        with sheet._get_source() as part:
            source = _RowByRow(part, self._path)
            parser = _Parser(
                source,
                sheet._shared_strings,
                data_only=True,
                epoch=workbook.epoch,
                date_formats=workbook._date_formats,
                timedelta_formats=workbook._timedelta_formats,
            )
            for _, element in iterparse(source):
                if element.tag == ROW_TAG:
                    number, cells = parser.parse_row(element)
                    element.clear()
                    source.start_row()
                    for cell in cells:
                        if problem := _PROBLEMS.get(cell["data_type"]):
                            place = f"sheet {sheet.title!r}, {get_column_letter(cell['column'])}{number}"
                            raise self._error(f"{place}: {problem.format(cell['value'])}")
                    values = {cell["column"]: _text(cell["value"]) for cell in cells}
                    if row := {place: value for place, value in values.items() if value}:
                        yield number, row
                elif element.tag == DATA_TAG:  # formats and links follow
                    break

    @contextmanager
    def _workbook(self) -> Iterator[Workbook]:
        """Open the workbook; whatever goes wrong in it while it is read in the block is translated as well."""
        with unpacked_file(self._path) as path:
            try:
                with path.open("rb") as file:
                    self._require_harmless(file)
                    workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
                    yield workbook
                    workbook.close()
            except BadZipFile:
                problem = "is not XLSX, or has a password; save it as XLSX without one, or as CSV"
                raise PipelineError(f"{self._path} {problem}") from None
            except (PipelineError, MemoryError):
                raise
            except Exception as error:  # openpyxl raises whatever comes of a part that is not as it expects
                if refusal(error):
                    raise
                problem = (str(error).splitlines() or [type(error).__name__])[0][:300]
                raise PipelineError(f"{self._path} is damaged ({problem}); save it again, or as CSV") from None

    def _require_harmless(self, file: BinaryIO) -> None:
        """Refuse a file that unpacks to too much, or whose XML defines entities."""
        with ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())  # zipfile reads no more of each than stated
            most = MAX_PARTS_BYTES + PARTS_PROPORTION * file.seek(0, 2)
            if size > most:
                raise self._error(f"unpacks to {size // 2**20:,} MB, more than {most // 2**20:,} MB; save it as CSV")
            for member in archive.infolist():
                with archive.open(member) as part:
                    if _has_document_type(part):
                        raise self._error(f"{member.filename} in it defines entities; save it again, or as CSV")

    def _error(self, problem: str) -> PipelineError:
        return PipelineError(f"{self._path}: {problem}")


class _Parser(WorkSheetParser):  # type: ignore[misc]  # openpyxl has no types
    """openpyxl's parser of a sheet, which tells a formula without a value from an empty cell."""

    def parse_cell(self, element: Any) -> dict[str, Any]:
        cell: dict[str, Any] = super().parse_cell(element)
        # the empty text as a formula's value has the type `str`
        if cell["value"] is None and element.get("t") != "str" and element.find(FORMULA_TAG) is not None:
            cell["data_type"] = NO_VALUE
        return cell


class _RowByRow:
    """Part of an archive of which no row may take too many bytes: the parser holds a row as a whole."""

    def __init__(self, part: IO[bytes], path: Path) -> None:
        self._part, self._path, self._read = part, path, 0

    def start_row(self) -> None:
        self._read = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._part.read(size)
        self._read += len(data)
        if self._read > MAX_SHEET_ROW_BYTES:
            raise PipelineError(f"{self._path}: a row is longer than {MAX_SHEET_ROW_BYTES // 2**20} MB; save it as CSV")
        return data


class _FirstElement(Exception):
    """The first element of XML, before which the document type stands if there is one."""


def _has_document_type(part: IO[bytes]) -> bool:
    """Return True if XML has a document type, in which alone entities can be defined: a few may unpack to any size."""
    found = False

    def found_one(*_: object) -> None:
        nonlocal found
        found = True
        raise _FirstElement

    def first_element(*_: object) -> None:
        raise _FirstElement

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = found_one
    parser.StartElementHandler = first_element
    with suppress(_FirstElement, expat.ExpatError):  # openpyxl finds what is wrong with XML
        parser.ParseFile(part)
    return found


def _record_batch(rows: list[list[str]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([pa.array(values, pa.string()) for values in zip(*rows, strict=True)], schema=schema)


def _text(value: object) -> str:
    """Return a value as text: whole numbers without a point, a date without a time if it has none."""
    if isinstance(value, bool):
        return str(value).upper()  # as in CSV that Excel writes
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(value, str):
        return value.replace("_x000D_", "\r")  # how Excel stores a carriage return
    return "" if value is None else str(value)
