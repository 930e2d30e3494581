"""Predictions for a file of texts: a copy with a prediction for each row, streamed, written whole or not at all."""

import codecs
import gzip
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
from tqdm import tqdm

from pipeline.config.file_format import AUTOMATIC, FileFormat
from pipeline.runtime.atomic import replace
from pipeline.runtime.errors import PipelineError
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.encoded_text import read_text, stated_encoding
from pipeline.tables.lines import text_lines
from pipeline.tables.parquet_answers import answer_parquet
from pipeline.tables.stated_format import ENDINGS
from pipeline.tables.table_reader import FORMAT_KEYS, PARQUET, XLSX, Table
from pipeline.tables.text_answers import PLAIN, AnswerRows, answered_lines, plain_lines, plain_text
from pipeline.tables.unpacked import packing, table_ending
from pipeline.text.cleaning import is_empty

if TYPE_CHECKING:
    from pipeline.inference.predictor import Prediction, Predictor


class CountedAnswers:
    """The `AnswerRows` of a predictor, which count the rows.

    Args:
        predictor: answers the texts.
        progress: shows the number of rows.
    """

    def __init__(self, predictor: "Predictor", progress: "tqdm[Any]") -> None:
        self._predictor, self._progress = predictor, progress
        self.rows = 0
        """Rows that were answered so far."""
        self.empty = 0
        """Those of them without a text."""

    def __call__(self, rows: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, "Prediction"]]:
        """Yield each row with the prediction for its text."""
        for (row, text), prediction in self._predictor.stream(((row, text), text) for row, text in rows):
            self._progress.update()
            self.rows += 1
            self.empty += is_empty(text)
            yield row, prediction


def ending_of(path: Path) -> str:
    """Return the ending that tells a file's format, without that of its compression.

    Raises:
        PipelineError: the ending is unknown.
    """
    return table_ending(path, ENDINGS)


def format_keys(source: Path | None) -> dict[str, tuple[str, ...]]:
    """Return a name of the source of the texts, for messages, with the keys of the format that it has."""
    if source is None:
        return {"texts that are given, or lines of standard input, which are UTF-8": ()}
    ending = ending_of(source)
    return {ending: ("encoding",) if ending == PLAIN else FORMAT_KEYS[ending]}


def check_paths(source: Path | None, output: Path | None) -> None:
    """Check, before any work, that the input can be read and the output can be written.

    Args:
        source: file of texts; None for plain lines from elsewhere.
        output: file to write; None for standard output.

    Raises:
        PipelineError: a file is missing, an ending does not fit, or the output would replace what it should not.
    """
    if source is not None and not source.is_file():
        ending_of(source)  # an unknown ending is said first
        if source.exists():
            raise PipelineError(f"--input {source} is no file; give one that ends in {', '.join(ENDINGS)}")
        raise PipelineError(f"--input {source}: there is no such file; correct the path")
    ending = PLAIN if source is None else ending_of(source)
    if output is None:
        if ending == PARQUET:
            raise PipelineError("a Parquet file cannot be written to standard output; name a file with --output")
        return
    written = ".csv" if ending == XLSX else ending
    if ending_of(output) != written:
        rule = "the answers to XLSX are CSV" if ending == XLSX else "the format of the input is kept"
        raise PipelineError(f"--output {output}: {rule}; use a name that ends in {written}")
    if ending == PARQUET and packing(output):
        raise PipelineError(f"--output {output}: Parquet is packed inside; use a name that ends in {ending}")
    if not output.parent.is_dir():
        raise PipelineError(f"--output {output}: the folder {output.parent} does not exist; create it first")
    if output.is_dir():
        raise PipelineError(f"--output {output} is a folder; name a file")
    if source is not None and output.exists() and output.samefile(source):
        raise PipelineError(f"--output {output} is the input; name another file")


def answer_file(
    source: Path,
    output: Path | None,
    stdout: BinaryIO,
    columns: WantedColumns,
    answer: AnswerRows,
    file_format: FileFormat = AUTOMATIC,
) -> str:
    """Write the rows of a file with label and probability added; the paths have passed `check_paths`.

    CSV, TSV, JSON and plain text are written in the encoding that they were read in, rows of XLSX as CSV in UTF-8.

    Returns:
        the format of the file, for people.

    Raises:
        PipelineError: a row cannot be read or does not fit; the message names it.
    """
    ending = table_ending(source, ENDINGS)
    encoding = "utf-8" if ending in (XLSX, PARQUET) else stated_encoding(source, file_format.encoding)
    if ending == PLAIN:
        lines = text_lines(read_text(source, encoding), str(source))
        texts = (plain_text(line, f"{source}, line {number}") for number, line in lines)
        write_lines(plain_lines(texts, answer), output, stdout, encoding)
        return f"plain lines, {encoding.upper()}"
    table = Table(source, file_format)
    if output is not None and ending == PARQUET:
        with replace(output) as temporary:
            answer_parquet(table, temporary, columns, answer)
    else:
        write_lines(answered_lines(table, file_format, columns, answer), output, stdout, encoding)
    return table.form


def write_lines(lines: Iterable[str], output: Path | None, stdout: BinaryIO, encoding: str = "utf-8") -> None:
    """Write lines to a file, or to standard output if it is None."""
    encoded = _encoded(lines, encoding)
    if output is None:
        stdout.writelines(encoded)
        stdout.flush()
        return
    with replace(output) as temporary, temporary.open("wb") as file, _packed(file, output) as stream:
        stream.writelines(encoded)


def _encoded(lines: Iterable[str], encoding: str) -> Iterator[bytes]:
    encoder = codecs.getincrementalencoder(encoding)()  # only it writes the mark of UTF-16 once
    for line in lines:
        try:
            yield encoder.encode(line)
        except UnicodeEncodeError as error:  # the values of the file were read in the same encoding
            raise PipelineError(
                f"a class or --prefix has {line[error.start]!r} in its name, which {encoding}, the encoding of the "
                "file, lacks; convert the file to UTF-8"
            ) from None


@contextmanager
def _packed(file: BinaryIO, output: Path) -> Iterator[Any]:
    """Compress the output as its name asks; without a timestamp, so that equal predictions give equal bytes."""
    match packing(output):
        case ".gz":
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
                yield stream
        case ".zst":
            with pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd") as stream:
                yield stream
        case ".zip":
            with zipfile.ZipFile(file, "w") as archive:
                member = zipfile.ZipInfo(output.stem)
                member.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(member, "w", force_zip64=True) as stream:
                    yield stream
        case _:
            yield file
