"""Predictions for a file of texts: a copy with an answer to each row, streamed, and written whole or not at all."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.runtime.atomic import replace
from pipeline.runtime.errors import PipelineError
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.lines import read_lines
from pipeline.tables.parquet_answers import answer_parquet
from pipeline.tables.text_answers import LINE_FORMATS, PLAIN, AnswerRows

PARQUET = ".parquet"
GZIP = ".gz"
ENDINGS = f"{', '.join(LINE_FORMATS)} (each also with {GZIP}) or {PARQUET}"


def file_format(path: Path) -> str:
    """Return the ending that tells a file's format, without `.gz`.

    Raises:
        PipelineError: the ending is unknown.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [PARQUET]:
        return PARQUET
    ending = next(iter(suffixes[-2:-1] if suffixes[-1:] == [GZIP] else suffixes[-1:]), "")
    if ending not in LINE_FORMATS:
        raise PipelineError(
            f"{path}: the ending {''.join(suffixes[-2:])!r} is unknown; give a file that ends in {ENDINGS}"
        )
    return ending


def check_paths(source: Path | None, output: Path | None) -> None:
    """Check, before any work, that the input can be read and the answers can be written.

    Args:
        source: file of texts; None for plain lines from elsewhere.
        output: file to write; None for standard output.

    Raises:
        PipelineError: a file is missing, an ending does not fit, or the output would replace what it should not.
    """
    ending = PLAIN if source is None else file_format(source)
    if source is not None and not source.is_file():
        raise PipelineError(f"{source} is no file; give one that ends in {ENDINGS}")
    if output is None:
        if ending == PARQUET:
            raise PipelineError("a Parquet file cannot be written to standard output; name a file with --output")
        return
    if file_format(output) != ending:
        raise PipelineError(f"--output {output}: the format of the input is kept; use a name that ends in {ending}")
    if not output.parent.is_dir():
        raise PipelineError(f"--output {output}: the folder {output.parent} does not exist; create it first")
    if output.is_dir():
        raise PipelineError(f"--output {output} is a folder; name a file")
    if source is not None and output.exists() and output.samefile(source):
        raise PipelineError(f"--output {output} is the input; name another file")


def answer_file(
    source: Path, output: Path | None, stdout: BinaryIO, columns: WantedColumns, answer: AnswerRows
) -> None:
    """Write the rows of a file with label and probability added; the paths have passed `check_paths`.

    Raises:
        PipelineError: a row cannot be read or does not fit; the message names it.
    """
    if output is not None and file_format(source) == PARQUET:
        with replace(output) as temporary:
            answer_parquet(source, temporary, columns, answer)
        return
    with _open_lines(source) as lines:
        write_lines(LINE_FORMATS[file_format(source)](lines, str(source), columns, answer), output, stdout)


def write_lines(lines: Iterable[str], output: Path | None, stdout: BinaryIO) -> None:
    """Write lines to a file, or to standard output if it is None."""
    encoded = (line.encode() for line in lines)
    if output is None:
        stdout.writelines(encoded)
        stdout.flush()
        return
    with replace(output) as temporary, temporary.open("wb") as file:
        if output.suffix.lower() == GZIP:
            # without name and time, so that equal answers give equal bytes
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as compressed:
                compressed.writelines(encoded)
        else:
            file.writelines(encoded)


@contextmanager
def _open_lines(path: Path) -> Iterator[Iterable[bytes]]:
    try:
        with gzip.open(path) if path.suffix.lower() == GZIP else path.open("rb") as file:
            yield read_lines(file.readline)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PipelineError(f"{path} is damaged ({error}); download or make it again") from None
