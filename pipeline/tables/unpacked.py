"""Users' files as bytes: unpacked from .gz, .zst or .zip, in pieces of bounded size."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import pyarrow as pa

from pipeline.runtime.errors import PipelineError, refusal

CHUNK_BYTES = 2 * 2**20
"""Bytes that are read at a time."""
PACKINGS = (".gz", ".zst", ".zip")
MAX_COPY_BYTES = 2**30
COPY_PROPORTION = 20
"""Packed Parquet may take `MAX_COPY_BYTES` bytes on the disk, or this many times its own size."""


def packing(path: Path) -> str:
    """Return `.gz`, `.zst` or `.zip`, or an empty text if a file is not packed."""
    suffix = path.suffix.lower()
    return suffix if suffix in PACKINGS else ""


def table_ending(path: Path, endings: Iterable[str]) -> str:
    """Return the ending that tells a file's format, whatever it is packed in.

    That of `reviews.zip` is the ending of the file in it.

    Raises:
        PipelineError: the ending is unknown, or the .zip is damaged or holds no file or several.
    """
    endings = tuple(endings)
    name = Path(path.stem) if packing(path) else path
    if packing(path) == ".zip" and name.suffix.lower() not in endings and path.is_file():
        with _translate_packing_errors(path), _open_packed(path) as stream:
            name = Path(str(stream.name))
    if name.suffix.lower() in endings:
        return name.suffix.lower()
    known = f"{', '.join(endings)}, or one of these followed by {', '.join(PACKINGS)}"
    shown = path.suffix if name is path else f"{name.suffix}{path.suffix}"
    raise PipelineError(f"{path}: the ending {shown!r} is unknown; give a file that ends in {known}")


def read_chunks(path: Path) -> Iterator[bytes]:
    """Read a file, unpacked, in pieces of `CHUNK_BYTES` bytes.

    Raises:
        PipelineError: the file is damaged, or a .zip holds no file or several.
    """
    with _translate_packing_errors(path), _open_packed(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def first_bytes(path: Path, number: int) -> bytes:
    """Return at most so many bytes of the beginning of a file, unpacked.

    Raises:
        PipelineError: as `read_chunks`.
    """
    with _translate_packing_errors(path), _open_packed(path) as stream:
        return stream.read(number)


@contextmanager
def _translate_packing_errors(path: Path) -> Iterator[None]:
    try:
        yield
    # a RuntimeError: the .zip has a password
    except (
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        pa.ArrowException,
    ) as e:
        if refusal(e):
            raise
        problem = str(e).splitlines()[0]
        raise PipelineError(f"{path} is damaged ({problem}); download or make it again") from None


@contextmanager
def _open_packed(path: Path) -> Iterator[IO[bytes]]:
    match packing(path):
        case ".gz":
            with gzip.open(path) as packed, io.BufferedReader(packed, CHUNK_BYTES) as stream:
                yield stream
        case ".zst":
            with pa.input_stream(str(path), compression="zstd") as packed, io.BufferedReader(packed) as stream:
                yield stream
        case ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [
                    member
                    for member in archive.infolist()
                    if not member.is_dir() and not member.filename.startswith("__MACOSX/")
                ]
                if len(members) != 1:
                    raise PipelineError(f"{path} holds {len(members)} files; give a .zip with one, or unpack it")
                with archive.open(members[0]) as stream:
                    yield stream
        case _:
            with path.open("rb") as stream:
                yield stream


@contextmanager
def unpacked_file(path: Path) -> Iterator[Path]:
    """Give the path of a file that is not packed: the file itself, or a temporary copy for formats read out of order.

    Raises:
        PipelineError: the file is damaged, or unpacks to far more than it should.
    """
    if not packing(path):
        yield path
        return
    most = max(MAX_COPY_BYTES, COPY_PROPORTION * path.stat().st_size)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "unpacked"
        with copy.open("wb") as file:
            for chunk in read_chunks(path):
                if file.tell() + len(chunk) > most:
                    raise PipelineError(f"{path} unpacks to more than {most // 2**20:,} MB; unpack it yourself")
                file.write(chunk)
        try:
            yield copy
        except PipelineError as error:
            raise PipelineError(str(error).replace(str(copy), str(path))) from None
