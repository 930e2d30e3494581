"""JSON files: one object a line (.jsonl), or an array of objects (.json), read one object at a time."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.runtime.errors import PipelineError
from pipeline.tables.encoded_text import read_text
from pipeline.tables.lines import (
    HOLDS_NUL,
    MAX_LINE_BYTES,
    TOO_LONG_A_LINE,
    RepeatedKeyError,
    distinct_keys,
    parse_object,
    text_lines,
)

_SPACE = re.compile(r"[ \t\r\n]*+")
_HALF = re.compile("[\ud800-\udfff]")
_START = re.compile(rb"[ \t\r\n]*+")


class JsonRow(NamedTuple):
    """An object of a file."""

    line: int
    """Number of the line where it begins, from 1."""
    text: str
    """The object as it stands in the file."""
    values: dict[str, Any]
    """Its values by column."""

    def value(self, column: str) -> Any:
        """Return the value of a column; None if it is missing, null or NaN."""
        value = self.values.get(column)
        return None if isinstance(value, float) and math.isnan(value) else value


def json_rows(path: Path, encoding: str, array: bool) -> Iterator[JsonRow]:
    """Read the objects of a file; empty lines are no rows.

    Args:
        path: path of the file.
        encoding: its encoding, as `stated_encoding` returns it.
        array: True for an array of objects, False for an object a line.

    Raises:
        PipelineError: it is not JSON, or not of objects; the message names the line.
    """
    pieces = read_text(path, encoding)
    if array:
        yield from _array_rows(path, pieces)
        return
    for number, line in text_lines(pieces, str(path)):
        if line.strip():
            yield JsonRow(number, line, parse_object(line, f"{path}, line {number}"))


def holds_array(path: Path, encoding: str) -> bool:
    """Return True if the first character of a JSON file opens an array."""
    for piece in read_text(path, encoding):
        match = _START.match(piece)
        rest = piece[match.end() :] if match else b""
        if rest:
            return rest.startswith(b"[")
    return True  # an empty file, which is no array either


def json_text(row: JsonRow, column: str, source: Path) -> str | None:
    """Return the text of an object; None if it is missing, null or NaN.

    Raises:
        PipelineError: it is a number or the like, or holds half of a surrogate pair or a NUL character.
    """
    value = row.value(column)
    if isinstance(value, str):
        require_whole_characters(value, row, column, source)
        if "\0" in value:
            raise PipelineError(f"{source}, line {row.line}: {column!r} {HOLDS_NUL}")
        return value
    if value is None:
        return None
    shown = f"{json.dumps(value):.100}"
    raise PipelineError(f"{source}, line {row.line}: {column!r} is {shown}, not text; name another column")


def require_whole_characters(text: str, row: JsonRow, column: str, source: Path) -> None:
    """Check that a text of an object holds no half of a surrogate pair.

    Raises:
        PipelineError: it does.
    """
    if half := None if text.isascii() else _HALF.search(text):
        problem = f"{column!r} holds {half[0]!r}, half of a character such as an emoji that was cut"
        raise PipelineError(f"{source}, line {row.line}: {problem}; correct the line")


def _array_rows(path: Path, pieces: Iterator[bytes]) -> Iterator[JsonRow]:
    text = _Text(path, pieces)
    text.skip("[", "an array of objects begins with [")
    if text.peek() == "]":
        text.skip("]", "")
    else:
        while True:
            yield text.object()
            if text.peek() == "]":
                text.skip("]", "")
                break
            text.skip(",", "objects are separated by , and the array ends with ]")
    if text.peek():
        raise text.error("text after the end of the array")


class _Text:
    """Text of a JSON file that is read as far as needed."""

    def __init__(self, path: Path, pieces: Iterator[bytes]) -> None:
        self._path, self._pieces = path, pieces
        self._text, self._place, self._line = "", 0, 1
        self._decoder = json.JSONDecoder(object_pairs_hook=distinct_keys)

    def error(self, problem: str) -> PipelineError:
        return PipelineError(f"{self._path}, line {self._line}: not a JSON array ({problem}); correct the file")

    def peek(self) -> str:
        """Return the next character that is no space; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._place)
            self._advance(match.end() if match else self._place)
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read():
                return ""

    def skip(self, character: str, problem: str) -> None:
        if self.peek() != character:
            raise self.error(problem)
        self._advance(self._place + 1)

    def object(self) -> JsonRow:
        if self.peek() != "{":
            raise self.error('not an object: write {"column": value, …}')
        while True:
            try:
                values, end = self._decoder.raw_decode(self._text, self._place)
            except RepeatedKeyError as error:
                raise PipelineError(f"{self._path}, line {self._line}: {error}") from None
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._place > MAX_LINE_BYTES:
                    raise PipelineError(f"{self._path}, line {self._line}: {TOO_LONG_A_LINE}") from None
                if not isinstance(error, RecursionError) and self._read():
                    continue
                problem = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise self.error(problem) from None
            row = JsonRow(self._line, self._text[self._place : end], values)
            self._advance(end)
            return row

    def _advance(self, place: int) -> None:
        self._line += self._text.count("\n", self._place, place)
        self._place = place

    def _read(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text = self._text[self._place :] + piece.decode()
        self._place = 0
        return True
