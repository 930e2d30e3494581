"""From a file of texts to the same file with an answer to each: streamed, whole or not at all."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import replace
from pipeline.tables.text_answers import LINE_FORMATS, PLAIN, Answer, lines_of

PARQUET = ".parquet"
GZIP = ".gz"
ENDINGS = f"{', '.join(LINE_FORMATS)} (each also with {GZIP}) or {PARQUET}"


def file_format(path: Path) -> str:
    """The ending that says what is in a file, without `.gz`.

    Raises:
        PipelineError: it is unknown.
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


def check(source: Path | None, output: Path | None) -> None:
    """Check, before any work, that the answers can be written where they are to go.

    Args:
        source: the file of texts; None for plain lines from elsewhere.
        output: where to; None for standard output.

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
        raise PipelineError(f"--output {output}: the input's format is kept; let the name end in {ending}")
    if not output.parent.is_dir():
        raise PipelineError(f"--output {output}: the folder {output.parent} does not exist; make it first")
    if output.is_dir():
        raise PipelineError(f"--output {output}: there is a folder of this name; name a file")
    if source is not None and output.exists() and output.samefile(source):
        raise PipelineError(f"--output {output}: that is the input; name another file")


def annotate(source: Path, output: Path | None, stdout: BinaryIO, column: str, answer: Answer[Any]) -> None:
    """Write the rows of a file with `label` and `probability` added; `check` has been passed.

    Raises:
        PipelineError: a row cannot be read or does not fit; the line names it.
    """
    if output is not None and file_format(source) == PARQUET:
        from pipeline.tables import parquet_answers

        with replace(output) as temporary:
            parquet_answers.annotate(source, temporary, column, answer)
        return
    with _lines(source) as lines:
        write(LINE_FORMATS[file_format(source)](lines, str(source), column, answer), output, stdout)


def write(lines: Iterable[str], output: Path | None, stdout: BinaryIO) -> None:
    """Write lines to a file, or to standard output."""
    encoded = (line.encode() for line in lines)
    if output is None:
        stdout.writelines(encoded)
        stdout.flush()
        return
    with replace(output) as temporary, temporary.open("wb") as file:
        if output.suffix.lower() == GZIP:
            # neither name nor time: equal answers give equal bytes
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as compressed:
                compressed.writelines(encoded)
        else:
            file.writelines(encoded)


@contextmanager
def _lines(path: Path) -> Iterator[Iterable[bytes]]:
    try:
        with gzip.open(path) if path.suffix.lower() == GZIP else path.open("rb") as file:
            yield lines_of(file.readline)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PipelineError(f"{path} is damaged ({error}); fetch it again") from None
