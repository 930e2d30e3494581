"""Strict reader of CSV and TSV (RFC 4180): rows are checked, and none is lost in quotes, before pyarrow parses them.

pyarrow alone joins all rows between a stray quote and the next one to a single value. Here every quote that does not
enclose a whole value is an error that names the line where it opens.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from pipeline.config.file_format import FileFormat
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.dialect import SAMPLE_ROWS, BadRowError, Dialect, blank_end
from pipeline.tables.encoded_text import LINE_FEED, read_text, stated_encoding

OTHER_DELIMITERS = (",", ";", "\t", "|")
MAX_ROW_BYTES = 32 * 2**20
"""Longest row: three times the longest review; a longer one is taken for a quote that is not closed."""
MAX_COLUMNS = 10_000
_EXCEL_DELIMITER = re.compile(rb"\"?sep=([^\r\n\"])\"?\r?\n", re.IGNORECASE)
"""Line before the header by which Excel tells the delimiter."""


class Delimited:
    """A CSV or TSV file: its column names, and its rows in batches of texts.

    Attributes:
        schema: columns, all of texts.
        delimiter: character between values.
        encoding: encoding of the file.
        form: short description for people: `CSV, ';', UTF-8`; once all is read, also the number of lines, where it is
            not that of the rows.

    Raises:
        PipelineError: the file is empty, or its header cannot be read.
    """

    def __init__(self, path: Path, ending: str, file_format: FileFormat) -> None:
        self._path, self._format = path, file_format
        self.encoding = stated_encoding(path, file_format.encoding)
        text = self._text()
        sample = next(text, b"")
        whole = next(text, None) is None
        if whole:
            sample += b"\n"
        excel = _EXCEL_DELIMITER.match(sample)
        self._start = excel.end() if excel else 0
        self.delimiter = (
            file_format.delimiter
            or (excel and excel[1].decode())
            or _likely_delimiter(path, sample, DELIMITERS[ending], file_format)
        )
        dialect = Dialect(path, self.delimiter, file_format)
        header = None
        if not file_format.columns:
            if not sample[self._start :].strip():
                raise PipelineError(f"{path} is empty; give a file with a header and rows")
            try:
                header = dialect.row(sample, blank_end(sample, self._start), whole)
            except BadRowError as error:
                raise self._located(error) from None
            if header is None:
                raise PipelineError(
                    f"{path}: the header is longer than {len(sample):,} bytes; look for a stray quote in it"
                )
        columns = file_format.columns or (header[0] if header else [])
        if len(columns) > MAX_COLUMNS:
            raise PipelineError(f"{path} has {len(columns):,} columns; give a file of at most {MAX_COLUMNS:,}")
        self.schema = pa.schema([(name, pa.string()) for name in columns])
        shown = "tab" if self.delimiter == "\t" else repr(self.delimiter)
        self._detected = f"{ending[1:].upper()}, {shown}, {self.encoding.upper()}"
        if excel:
            self._detected += f", without its line {excel[0].decode().strip()}"
        if file_format.quoting == "none":
            self._detected += ", no quoting"
        if file_format.escape:
            self._detected += f", escape {file_format.escape!r}"
        self.form, self._lines = self._detected, 0

    def batches(self, columns: Sequence[str], _texts: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches, without empty lines.

        Raises:
            PipelineError: a row does not fit; the message names the line where it, or a stray quote, begins.
        """
        none = self._format.quoting == "none"
        parse = pacsv.ParseOptions(
            delimiter=self.delimiter,
            quote_char=False if none else '"',
            escape_char=self._format.escape or False,
            newlines_in_values=True,
        )
        read = pacsv.ReadOptions(use_threads=False, block_size=2**31 - 1, column_names=self.schema.names)
        convert = pacsv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=columns)
        self._lines = rows = 0
        for block in self._blocks():
            for batch in pacsv.read_csv(pa.BufferReader(block), read, parse, convert).to_batches():
                rows += batch.num_rows
                yield batch
        if rows != self._lines:
            self.form = f"{self._detected}, {self._lines:,} lines"

    def _text(self) -> Iterator[bytes]:
        return read_text(self._path, self.encoding)

    def _blocks(self) -> Iterator[pa.Buffer]:
        """Yield whole rows, checked, of each piece of the file, without the header."""
        dialect = Dialect(self._path, self.delimiter, self._format, len(self.schema.names))
        done, rest, parsed = 0, b"", 0
        header = not self._format.columns
        for piece in chain(self._text(), [None]):
            data = rest + (piece or b"")
            final = piece is None
            if final and data and not data.endswith(LINE_FEED):
                data += LINE_FEED
            start = 0 if done else self._start
            if header:
                row = dialect.row(data, blank_end(data, start), final)  # which __init__ has found to be right
                if row is None:
                    rest = data
                    continue
                header, start = False, row[1]
            try:
                if not done and self._format.quoting is None and self._format.escape is None:
                    dialect.learn_kinds(data, start)
                end = dialect.end_of_rows(data, start)
                unfinished = len(data) - end
                if end > start:
                    parsed = 0
                # when it has doubled, not with each piece: a row without end would be parsed from its start each time
                if unfinished and (final or unfinished >= 2 * parsed or unfinished > MAX_ROW_BYTES):
                    dialect.row(data, end, final)
                    parsed = unfinished
                if unfinished > MAX_ROW_BYTES:
                    problem = f"a row is longer than {MAX_ROW_BYTES // 2**20} MB; look for a quote that is not closed"
                    raise BadRowError(end, problem)
            except BadRowError as error:
                raise self._located(error, done) from None
            if blank_end(data, start) < end:
                self._lines += data.count(LINE_FEED, start, end)
                yield dialect.for_arrow(data, start, end)
            done += end
            rest = data[end:]

    def _located(self, error: "BadRowError", before: int = 0) -> PipelineError:
        """Name the line of an error in data that begin after a number of bytes; the file is read again up to there."""
        line, left = 1, before + error.place
        for piece in self._text():
            line += piece.count(LINE_FEED, 0, left)
            left -= len(piece)
            if left <= 0:
                break
        return PipelineError(f"{self._path}, line {line}: {error.problem}")


def _likely_delimiter(path: Path, sample: bytes, usual: str, file_format: FileFormat) -> str:
    """Return the delimiter with which the first rows all have the same number of values, two or more.

    Where several do, or none, it is the usual one of the ending if the header has it, else the most frequent there.
    """
    start = blank_end(sample)
    header = sample[start : sample.find(b"\n", start) if b"\n" in sample[start:] else len(sample)]
    candidates = sorted(OTHER_DELIMITERS, key=lambda delimiter: delimiter != usual)
    for delimiter in candidates:
        if delimiter.encode() in header and _fits(path, sample, start, delimiter, file_format):
            return delimiter
    if usual.encode() in header:
        return usual
    return max(candidates, key=lambda delimiter: header.count(delimiter.encode()))


def _fits(path: Path, sample: bytes, start: int, delimiter: str, file_format: FileFormat) -> bool:
    dialect = Dialect(path, delimiter, file_format)
    numbers: set[int] = set()
    try:
        for _ in range(SAMPLE_ROWS):
            start = blank_end(sample, start)
            row = dialect.row(sample, start, final=False)
            if row is None:
                break
            numbers.add(len(row[0]))
            start = row[1]
    except BadRowError:
        return False
    return len(numbers) <= 1 and numbers != {1}
