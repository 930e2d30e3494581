"""Word vectors in the usual text format: a word and its numbers on each line, separated by spaces.

This is the format of GloVe, and of word2vec and fastText, whose first line states the number of words and of numbers
for each. A word may hold spaces itself, as a few in glove.840B do.
"""

import gzip
import zlib
from collections.abc import Iterator, Set
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.runtime.errors import PipelineError, translate_os_errors

MAX_VECTOR_LINE = 2**20
"""Bytes of a line: 40,000 numbers of 25 characters. A small compressed file may hold one that fits into no memory."""
VECTOR_FORMAT = "each line is a word and its numbers, separated by spaces, in UTF-8"


class _Entry(NamedTuple):
    line: int
    word: str
    numbers: list[bytes]


def file_dimension(path: Path) -> int:
    """Return the number of numbers of the first word.

    Raises:
        PipelineError: the file is empty or damaged, or the line is wrong.
    """
    first = next(_entries(path), None)
    if first is None:
        raise PipelineError(f"{path} holds no word vectors; {VECTOR_FORMAT}")
    return len(_vector(path, first))


def find_in_file(path: Path, words: Set[str]) -> tuple[dict[str, int], NDArray[np.float32]]:
    """Read a file, which may be gzipped, line by line, and keep the vectors of the given words.

    Returns:
        the row of each word found, and the vectors [rows, dimension].

    Raises:
        PipelineError: the file is empty or damaged, or a line is wrong; the message names it.
    """
    rows: dict[str, int] = {}
    vectors = [np.empty((0, file_dimension(path)), np.float32)]
    for entry in tqdm(_entries(path), desc=path.name, unit=" vectors", disable=None, leave=False):
        if entry.word not in words:
            continue
        if entry.word in rows:
            raise _wrong_line(path, entry.line, f"the word {entry.word!r} occurred before; remove one of the two")
        rows[entry.word] = len(rows)
        vectors.append(_vector(path, entry)[None])
    return rows, np.concatenate(vectors)


def _entries(path: Path) -> Iterator[_Entry]:
    size = 0
    try:
        with translate_os_errors(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(iter(partial(file.readline, MAX_VECTOR_LINE + 1), b""), 1):
                if len(line) > MAX_VECTOR_LINE:
                    raise _wrong_line(path, number, f"longer than {MAX_VECTOR_LINE // 2**20} MB; {VECTOR_FORMAT}")
                fields = line.split()
                if number == 1 and len(fields) == 2 and all(field.isdigit() and len(field) < 10 for field in fields):
                    size = int(fields[1])
                elif fields:
                    size = size or len(fields) - 1
                    yield _entry(path, number, fields, size)
    except (OSError, EOFError, zlib.error) as error:
        raise PipelineError(f"{path} cannot be read ({error}); download it again") from None


def _entry(path: Path, line: int, fields: list[bytes], size: int) -> _Entry:
    surplus = len(fields) - 1 - size
    if not size or surplus < 0 or (surplus and _is_number(fields[surplus])):
        raise _wrong_line(
            path, line, f"{len(fields) - 1} numbers after the word instead of {size or 'some'}; {VECTOR_FORMAT}"
        )
    try:
        return _Entry(line, b" ".join(fields[: surplus + 1]).decode(), fields[surplus + 1 :])
    except UnicodeDecodeError:
        raise _wrong_line(path, line, f"the word is not UTF-8; {VECTOR_FORMAT}") from None


def _vector(path: Path, entry: _Entry) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            vector = np.array(entry.numbers, np.float32)
    except ValueError:
        culprit = next(field for field in entry.numbers if not _is_number(field))
        raise _wrong_line(
            path, entry.line, f"{culprit.decode(errors='replace')!r} is not a number; {VECTOR_FORMAT}"
        ) from None
    if not np.isfinite(vector).all():
        raise _wrong_line(path, entry.line, f"a number of {entry.word!r} is not finite; correct or remove the line")
    return vector


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _wrong_line(path: Path, line: int, problem: str) -> PipelineError:
    return PipelineError(f"{path}, line {line}: {problem}")
