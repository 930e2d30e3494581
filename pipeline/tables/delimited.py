"""Strict reader of CSV and TSV (RFC 4180): rows are checked, and none is lost in quotes, before pyarrow parses them.

pyarrow alone joins all rows between a stray quote and the next one to a single value. Here every quote that does not
enclose a whole value is an error that names the line where it opens.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from pipeline.config.file_format import FileFormat
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.unpacked import LINE_FEED, option, read_text, stated_encoding

OTHER_DELIMITERS = (",", ";", "\t", "|")
MAX_ROW_BYTES = 32 * 2**20
"""Longest row: three times the longest review; a longer one is taken for a quote that is not closed."""
MAX_COLUMNS = 10_000
SAMPLE_ROWS = 200
"""First rows by which the delimiter is found, and the kinds of values that tell rows lost in quotes."""
MOST_KINDS = 50
"""Most different values of a column of kinds, such as the labels."""


class Delimited:
    """A CSV or TSV file: its column names, and its rows in batches of texts.

    Attributes:
        columns: names of the columns, in order.
        delimiter: character between values.
        encoding: encoding of the file.
        form: short description for people: `CSV, ';', UTF-8`.

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
        self.delimiter = file_format.delimiter or _likely_delimiter(path, sample, DELIMITERS[ending], file_format)
        dialect = _Dialect(path, self.delimiter, file_format)
        header = None
        if not file_format.columns:
            if not sample.strip():
                raise PipelineError(f"{path} is empty; give a file with a header and rows")
            try:
                header = dialect.row(sample, _blank_end(sample), whole)
            except _BadRowError as error:
                raise self._located(error) from None
            if header is None:
                raise PipelineError(
                    f"{path}: the header is longer than {len(sample):,} bytes; look for a stray quote in it"
                )
        self.columns = file_format.columns or (header[0] if header else [])
        if len(self.columns) > MAX_COLUMNS:
            raise PipelineError(f"{path} has {len(self.columns):,} columns; give a file of at most {MAX_COLUMNS:,}")
        shown = "tab" if self.delimiter == "\t" else repr(self.delimiter)
        self.form = f"{ending[1:].upper()}, {shown}, {self.encoding.upper()}"
        if file_format.quoting == "none":
            self.form += ", no quoting"
        if file_format.escape:
            self.form += f", escape {file_format.escape!r}"

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches, without empty lines, with the given columns (all for None) as texts.

        Raises:
            PipelineError: a row does not fit; the message names the line where it, or a stray quote, begins.
        """
        names = self.columns if columns is None else columns
        none = self._format.quoting == "none"
        parse = pacsv.ParseOptions(
            delimiter=self.delimiter,
            quote_char=False if none else '"',
            escape_char=self._format.escape or False,
            newlines_in_values=True,
        )
        read = pacsv.ReadOptions(use_threads=False, block_size=2**31 - 1, column_names=self.columns)
        convert = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=names)
        for block in self._blocks():
            # a character that is the byte order mark elsewhere, which pyarrow would drop at the beginning
            whole = LINE_FEED + block if block.startswith(BOM_UTF8) else block
            table = pacsv.read_csv(pa.BufferReader(whole), read, parse, convert)
            yield from table.to_batches()

    def _text(self) -> Iterator[bytes]:
        return read_text(self._path, self.encoding)

    def _blocks(self) -> Iterator[bytes]:
        """Yield whole rows, checked, of each piece of the file, without the header."""
        dialect = _Dialect(self._path, self.delimiter, self._format, len(self.columns))
        done, rest = 0, b""
        header = not self._format.columns
        for piece in chain(self._text(), [None]):
            data = rest + (piece or b"")
            final = piece is None
            if final and data and not data.endswith(LINE_FEED):
                data += LINE_FEED
            start = 0
            if header:
                row = dialect.row(data, _blank_end(data), final)  # which __init__ has found to be right
                if row is None:
                    rest = data
                    continue
                header, start = False, row[1]
            try:
                if not done and self._format.quoting is None and self._format.escape is None:
                    dialect.learn_kinds(data, start)
                end = dialect.end_of_rows(data, start)
                if end < len(data):
                    dialect.row(data, end, final)
                if len(data) - end > MAX_ROW_BYTES:
                    problem = f"a row is longer than {MAX_ROW_BYTES // 2**20} MB; look for a quote that is not closed"
                    raise _BadRowError(end, problem)
            except _BadRowError as error:
                raise self._located(error, done) from None
            if data[start:end].strip(b"\r\n"):
                yield dialect.for_arrow(data[start:end])
            done += end
            rest = data[end:]

    def _located(self, error: "_BadRowError", before: int = 0) -> PipelineError:
        """Name the line of an error in data that begin after a number of bytes; the file is read again up to there."""
        line, left = 1, before + error.place
        for piece in self._text():
            line += piece.count(LINE_FEED, 0, left)
            left -= len(piece)
            if left <= 0:
                break
        return PipelineError(f"{self._path}, line {line}: {error.problem}")


class _BadRowError(Exception):
    """A row, at a place in the data, that is not as it should be."""

    def __init__(self, place: int, problem: str) -> None:
        self.place, self.problem = place, problem


class _Dialect:
    """Patterns of rows and values, over UTF-8."""

    def __init__(self, path: Path, delimiter: str, file_format: FileFormat, columns: int | None = None) -> None:
        self._path, self._columns = path, columns
        self._delimiter = delimiter.encode()
        self._escape = (file_format.escape or "").encode()
        self._quotes = file_format.quoting != "none"
        if len(self._delimiter) > 1 or len(self._escape) > 1:
            raise PipelineError(f"{path}: a delimiter or escape character must be ASCII; convert the file")
        separator, escape = re.escape(self._delimiter), re.escape(self._escape)
        excluded = separator + b"\r\n" + (b'"' if self._quotes else b"") + escape
        escaped = b"|" + escape + b"." if self._escape else b""
        plain = b"(?:[^%s]%s)*+" % (excluded, escaped) if escaped else b"[^%s]*+" % excluded
        quoted = b'"(?:[^"%s]|""%s)*+"' % (escape, escaped) if escaped else b'"[^"]*+(?:""[^"]*+)*+"'
        value = b"(?:%s|%s)" % (quoted, plain) if self._quotes else plain
        self._value = re.compile(value, re.DOTALL)
        more = b"(?:%s%s){%d}" % (separator, value, columns - 1) if columns else b""
        # empty lines are no rows, unless they are inside quotes
        row = b"(?:(?:%s%s)?+\r?\n)" % (value, more)
        self._rows = re.compile(row + b"*+", re.DOTALL)
        line = row.replace(b'[^"]*+', b'[^"\n]*+')
        self._rows_to_long = re.compile(b"%s*+(%s)?+" % (line, row), re.DOTALL)
        """Rows of a line each, and a row of several."""
        self._kinds: list[set[bytes]] = []

    def end_of_rows(self, data: bytes, start: int) -> int:
        """Return the end of the whole rows, all as they should be, from `start` on.

        Raises:
            _BadRowError: a value in quotes spans lines that look like rows of their own.
        """
        if not any(self._kinds):
            match = self._rows.match(data, start)
            return match.end() if match else start
        while match := self._rows_to_long.match(data, start):
            start = match.end()
            if match[1] is None:
                break
            self._require_no_row_in_quotes(match[1], match.start(1))
        return start

    def row(self, data: bytes, start: int, final: bool) -> tuple[list[str], int] | None:
        """Parse a row; return its values and its end, or None if the data end before it does.

        Args:
            data: bytes that hold the row.
            start: its beginning.
            final: True if no more data follow.

        Raises:
            _BadRowError: it is no row; for a quote, at the place where it opens.
        """
        values, place = [], start
        while match := self._value.match(data, place):
            end = match.end()
            following = data[end : end + 1]
            opens = self._quotes and data[place : place + 1] == b'"'
            if opens and end == place:
                if not final:
                    return None
                raise _BadRowError(place, f"a quote that is not closed opens here; {self._quote_remedy(data, end)}")
            if not following or (end + 1 == len(data) and following in {b"\r", self._escape}):
                return None
            values.append(self._plain(match[0]))
            if following == self._delimiter:
                place = end + 1
                continue
            if following == LINE_FEED or data[end : end + 2] == b"\r\n":
                break
            if opens:
                problem = (
                    f"text follows the quote that closes the one which opens here; {self._quote_remedy(data, end)}"
                )
            elif following == b"\r":
                problem = "a carriage return without a line feed; put the value in quotes, or convert the line ends"
            else:
                problem = f"a quote inside a value that is not in quotes; {self._quote_remedy(data, end)}"
            raise _BadRowError(place, problem)
        if self._columns and len(values) != self._columns:
            raise _BadRowError(start, f"{len(values)} values, the header has {self._columns}; correct the line")
        return values, data.index(LINE_FEED, end) + 1

    def _quote_remedy(self, data: bytes, place: int) -> str:
        if not self._escape and data[max(0, place - 2) : place] == b'\\"':
            return f"set {option('escape', chr(92))} if \\ escapes quotes, as it seems here"
        none = option("quoting", "none")
        return f"double quotes inside a value in quotes, or set {none} if quotes are part of the text"

    def _plain(self, value: bytes) -> str:
        if self._quotes and value.startswith(b'"'):
            value = value[1:-1].replace(b'""', b'"')
        if self._escape:
            value = re.sub(re.escape(self._escape) + self._special, rb"\1", value)
        return value.decode()

    @property
    def _special(self) -> bytes:
        """Pattern of the characters that an escape makes part of a value; before any other it is a character itself."""
        return b'(["\r\n%s%s])' % (re.escape(self._delimiter), re.escape(self._escape))

    def for_arrow(self, rows: bytes) -> bytes:
        """Return rows in which an escape before an ordinary character, which pyarrow would drop, is doubled."""
        if not self._escape:
            return rows
        pair = re.compile(re.escape(self._escape) + b"(?:" + self._special + b"|(.))", re.DOTALL)
        return pair.sub(lambda m: m[0] if m[2] is None else self._escape * 2 + m[2], rows)

    def learn_kinds(self, data: bytes, start: int) -> None:
        """Note the values of each column that has few, such as the labels, from the first rows without quotes."""
        lines = [line.rstrip(b"\r") for line in data[start : start + 2**20].split(LINE_FEED)[:SAMPLE_ROWS]]
        rows = [line.split(self._delimiter) for line in lines if b'"' not in line]
        columns = [
            set(column) - {b""} for column in zip(*(row for row in rows if len(row) == self._columns), strict=True)
        ]
        self._kinds = [values if len(values) <= min(MOST_KINDS, len(rows) // 3) else set() for values in columns]

    def _require_no_row_in_quotes(self, row: bytes, place: int) -> None:
        """Check that the lines of a row do not look like rows of their own: number of values, known kinds of them."""
        if row.count(self._delimiter) != row.count(LINE_FEED) * (len(self._kinds) - 1):
            return
        lines = [line.rstrip(b"\r").split(self._delimiter) for line in row.splitlines()]
        if any(len(line) != len(self._kinds) for line in lines):
            return
        for values, column in zip(self._kinds, zip(*lines, strict=True), strict=True):
            if values and all(value.strip(b'"') in values for value in column):
                problem = (
                    "a quote that opens here takes in the next line, which looks like a row of its own; set "
                    f"{option('quoting', 'none')} if quotes are part of the text, or =standard if the line belongs "
                    "to the value"
                )
                raise _BadRowError(place, problem)


def _blank_end(data: bytes) -> int:
    """Return the end of the empty lines that data begin with."""
    match = re.match(rb"(?:\r?\n)*+", data)
    return match.end() if match else 0


def _likely_delimiter(path: Path, sample: bytes, usual: str, file_format: FileFormat) -> str:
    """Return the delimiter with which the first rows all have the same number of values, two or more.

    Where several do, or none, it is the usual one of the ending if the header has it, else the most frequent there.
    """
    start = _blank_end(sample)
    header = sample[start : sample.find(b"\n", start) if b"\n" in sample[start:] else len(sample)]
    candidates = sorted(OTHER_DELIMITERS, key=lambda delimiter: delimiter != usual)
    for delimiter in candidates:
        if delimiter.encode() in header and _fits(path, sample, start, delimiter, file_format):
            return delimiter
    if usual.encode() in header:
        return usual
    return max(candidates, key=lambda delimiter: header.count(delimiter.encode()))


def _fits(path: Path, sample: bytes, start: int, delimiter: str, file_format: FileFormat) -> bool:
    dialect = _Dialect(path, delimiter, file_format)
    numbers: set[int] = set()
    try:
        for _ in range(SAMPLE_ROWS):
            start += _blank_end(sample[start : start + 100])
            row = dialect.row(sample, start, final=False)
            if row is None:
                break
            numbers.add(len(row[0]))
            start = row[1]
    except _BadRowError:
        return False
    return len(numbers) <= 1 and numbers != {1}
