"""Rows and values of CSV and TSV (RFC 4180) as patterns over UTF-8, and what is wrong with a row that does not fit."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from pipeline.config.file_format import FileFormat
from pipeline.runtime.errors import PipelineError
from pipeline.tables.encoded_text import LINE_FEED
from pipeline.tables.format_advice import option

SAMPLE_ROWS = 200
"""First rows by which the delimiter is found, and the kinds of values that tell rows lost in quotes."""
MAX_KINDS = 50
"""Maximum number of different values of a column of kinds, such as the labels."""


MIN_ROWS = 3
"""Fewest rows that tell the kind of a column's values."""
_CODES = [re.compile(pattern) for pattern in (rb"\d++", rb"[+-]?\d++(?:[.,]\d++)?", rb"[^\s\d\"]*+\d[^\s\"]*+")]
"""Kinds of values of which a column may have any number: row numbers, numbers, and codes that have a digit."""
_EMPTY_LINES = re.compile(rb"(?:\r?\n)*+")


class BadRowError(Exception):
    """A row, at a place in the data, that is not as it should be."""

    def __init__(self, place: int, problem: str) -> None:
        self.place, self.problem = place, problem


class Dialect:
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
        self._kinds: list[Callable[[bytes], object] | None] = []
        """For each column, the function that tells its values from text; None where all are text."""

    def end_of_rows(self, data: bytes, start: int) -> int:
        """Return the end of the whole rows, all as they should be, from `start` on.

        Raises:
            BadRowError: a value in quotes spans lines that look like rows of their own.
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
            BadRowError: it is no row; for a quote, at the place where it opens.
        """
        values, place = [], start
        while match := self._value.match(data, place):
            end = match.end()
            following = data[end : end + 1]
            opens = self._quotes and data[place : place + 1] == b'"'
            if opens and end == place:
                if not final:
                    return None
                raise BadRowError(place, f"a quote that is not closed opens here; {self._quote_remedy(data, end)}")
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
                problem = "a carriage return without a line feed; put the value in quotes, or convert the line ends: "
                problem += "`tr '\\r' '\\n' < old > new` if it is the end of all of them"
            elif match[0] and not match[0].strip():
                problem = "a space before the quote that opens a value; remove the spaces behind the delimiters"
            else:
                problem = f"a quote inside a value that is not in quotes; {self._quote_remedy(data, end)}"
            raise BadRowError(place, problem)
        if self._columns and len(values) != self._columns:
            remedy = "correct the line"
            if self._columns == 1:
                remedy = f"put texts that hold {self._delimiter.decode()!r} in quotes, or set {option('delimiter')} "
                remedy += "to a character that none holds"
            raise BadRowError(start, f"{len(values)} values, the header has {self._columns}; {remedy}")
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

    def for_arrow(self, data: bytes, start: int, end: int) -> pa.Buffer:
        """Return rows, not copied where possible, of which pyarrow drops nothing.

        It would drop an escape before an ordinary character, which is doubled, and a character at the beginning that is
        the byte order mark elsewhere, before which an empty line is put.
        """
        if not self._escape and not data.startswith(BOM_UTF8, start):
            return pa.py_buffer(data).slice(start, end - start)
        rows = LINE_FEED + data[start:end]
        if self._escape:
            pair = re.compile(re.escape(self._escape) + b"(?:" + self._special + b"|(.))", re.DOTALL)
            rows = pair.sub(lambda m: m[0] if m[2] is None else self._escape * 2 + m[2], rows)
        return pa.py_buffer(rows)

    def learn_kinds(self, data: bytes, start: int) -> None:
        """Note the kind of values of each column, such as labels or numbers, from the first rows without quotes."""
        lines = [line.rstrip(b"\r") for line in data[start : start + 2**20].split(LINE_FEED)[:SAMPLE_ROWS]]
        rows = [line.split(self._delimiter) for line in lines if b'"' not in line]
        columns = [
            set(column) - {b""} for column in zip(*(row for row in rows if len(row) == self._columns), strict=True)
        ]
        self._kinds = [_kind_of(values, len(rows)) for values in columns]

    def _require_no_row_in_quotes(self, row: bytes, place: int) -> None:
        """Check that the lines of a row do not look like rows of their own: number of values, known kinds of them."""
        if row.count(self._delimiter) != row.count(LINE_FEED) * (len(self._kinds) - 1):
            return
        lines = [line.rstrip(b"\r").split(self._delimiter) for line in row.splitlines()]
        if any(len(line) != len(self._kinds) for line in lines):
            return
        for is_kind, column in zip(self._kinds, zip(*lines, strict=True), strict=True):
            if is_kind and all(is_kind(value.strip(b'"')) for value in column):
                problem = (
                    "a quote that opens here takes in the next line, which looks like a row of its own; set "
                    f"{option('quoting', 'none')} if quotes are part of the text, or =standard if the line belongs "
                    "to the value"
                )
                raise BadRowError(place, problem)


def _kind_of(values: set[bytes], rows: int) -> Callable[[bytes], object] | None:
    """Return the function that tells the values of a column, of so many rows, from text; None if they are text."""
    if not values or rows < MIN_ROWS:
        return None
    if len(values) <= min(MAX_KINDS, rows // MIN_ROWS):
        return values.__contains__
    return next((code.fullmatch for code in _CODES if all(map(code.fullmatch, values))), None)


def blank_end(data: bytes, start: int = 0) -> int:
    """Return the end of the empty lines from a place on."""
    match = _EMPTY_LINES.match(data, start)
    return match.end() if match else start
