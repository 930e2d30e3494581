"""Lines of users' text files: of bounded length, in UTF-8, and for JSONL each a JSON object."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from pipeline.runtime.errors import PipelineError

MAX_LINE_BYTES = 32 * 2**20
"""Longest line: three times the longest review, as JSON may write a character as `\\u0000`. A small compressed file
may hold a line that fits into no memory."""
TOO_LONG_A_LINE = f"longer than {MAX_LINE_BYTES // 2**20} MB; split it"
HOLDS_NUL = "holds a NUL character, which no text has; correct the value"
"""Problem of a text in JSON or Parquet; in other files it rather tells another encoding."""


class RepeatedKeyError(Exception):
    """A key that an object has twice: of its values, a parser would drop the first in silence."""


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; for the argument `object_pairs_hook` of a parser.

    Raises:
        RepeatedKeyError: a key occurs twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise RepeatedKeyError(f"the key {name!r:.100} is given twice in one object; give it once")
    return values


def read_lines(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the lines of a file; of a line that is too long, only as much as `decode_line` needs to refuse it."""
    return iter(partial(readline, MAX_LINE_BYTES + 1), b"")


def decode_line(line: bytes, name: str, number: int) -> str:
    """Decode a line, without the byte order mark that a first line may begin with.

    Args:
        line: bytes of the line.
        name: name of the file, for errors.
        number: number of the line, from 1.

    Raises:
        PipelineError: the line is too long, holds a NUL character or is not UTF-8.
    """
    if len(line) > MAX_LINE_BYTES:
        raise PipelineError(f"{name}, line {number}: {TOO_LONG_A_LINE}")
    if b"\0" in line:
        raise PipelineError(f"{name}, line {number}: holds a NUL character; convert the file to UTF-8")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise PipelineError(f"{name}, line {number}: not UTF-8; convert the file to UTF-8") from None


def text_lines(pieces: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Yield each line of valid UTF-8 with its number, from 1.

    Raises:
        PipelineError: a line is too long; `name` names the file.
    """
    number, rest = 1, b""
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield number, line.decode() + "\n"
            number += 1
        if len(rest) > MAX_LINE_BYTES:
            raise PipelineError(f"{name}, line {number}: {TOO_LONG_A_LINE}")
    if rest:
        yield number, rest.decode()


def parse_object(line: str, place: str) -> dict[str, Any]:
    """Parse a line of JSONL; `place` names it in errors.

    Raises:
        PipelineError: the line is not JSON, or not an object, or has a key twice.
    """
    try:
        row = json.loads(line, object_pairs_hook=distinct_keys)
    except RepeatedKeyError as error:
        raise PipelineError(f"{place}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise PipelineError(f"{place}: not JSON ({error}); correct the line") from None
    if not isinstance(row, dict):
        raise PipelineError(f'{place}: not a JSON object; write {{"column": value, …}}')
    return row
