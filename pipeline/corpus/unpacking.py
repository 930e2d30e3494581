"""Compressed archives as bounded streams: a file of a few kilobytes may unpack to more than any memory or disk."""

import bz2
import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from pipeline.runtime.errors import PipelineError

MAX_DICTIONARY = 128 * 2**20
"""Bytes of memory that decompressing .xz may take; `xz -9` needs 65 MB, but a file's header may ask for 4 GB."""
UNPACKED_BYTES = 2**18
"""Bytes decompressed at a time."""
OTHER_ARCHIVE = "use another archive"


class Readable(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and at least one before the end."""


class ArchiveStream:
    """Bytes of an archive for tarfile, forward only; skipped bytes are never held in memory."""

    def __init__(self, path: Path, source: Readable, max_total: int, max_held: int) -> None:
        self.held = 0
        """Bytes read, not skipped, since this was last set to 0."""
        self._path, self._source = path, source
        self._max_total, self._max_held = max_total, max_held
        self._position = 0

    def tell(self) -> int:
        """Return the number of bytes from the beginning."""
        return self._position

    def seek(self, position: int) -> int:
        """Skip the bytes before `position`.

        Raises:
            ValueError: the position lies behind.
            PipelineError: the archive is larger than allowed.
        """
        if position < self._position:
            raise ValueError("a header points backwards")
        while self._position < position and self._advance(min(UNPACKED_BYTES, position - self._position)):
            pass
        return self._position

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, fewer only at the end.

        Raises:
            PipelineError: a member or the archive is larger than allowed.
        """
        self.held += size
        if self.held > self._max_held:
            problem = f"headers and text of a member take more than {self._max_held // 2**20} MB"
            raise PipelineError(f"{self._path}: {problem}; {OTHER_ARCHIVE}")
        parts = []
        while size and (part := self._advance(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _advance(self, size: int) -> bytes:
        part = self._source.read(size)
        self._position += len(part)
        if self._position > self._max_total:
            raise PipelineError(f"{self._path} unpacks to far more than a corpus of reviews; {OTHER_ARCHIVE}")
        return part


@contextmanager
def open_archive(path: Path, max_total: int, max_held: int) -> Iterator[ArchiveStream]:
    """Open an archive, compressed with gzip, bzip2, xz or not at all.

    Args:
        path: path of the archive.
        max_total: bytes that it may unpack to.
        max_held: bytes that may be read before `ArchiveStream.held` is set to 0.

    Raises:
        PipelineError: decompressing alone would take too much memory.
    """
    with path.open("rb") as file:
        beginning = file.read(6)
        file.seek(0)
        source: Readable = file
        if beginning.startswith(b"\x1f\x8b"):
            source = gzip.GzipFile(fileobj=file)
        elif beginning.startswith(b"BZh"):
            source = bz2.BZ2File(file)
        elif beginning.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
            source = _Xz(file)
        try:
            yield ArchiveStream(path, source, max_total, max_held)
        except lzma.LZMAError as error:
            if "Memory usage limit" not in str(error):
                raise
            limit = f"{MAX_DICTIONARY // 2**20} MB"
            raise PipelineError(
                f"{path}: decompressing it takes more than {limit} of memory; compress it with xz -9 or less"
            ) from None


class _Xz:
    """Reader like `lzma.LZMAFile`, with a limit on memory, which that lacks."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = _decompressor()

    def read(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:  # another stream may follow, after padding
                following = (self._decompressor.unused_data or self._file.read(UNPACKED_BYTES)).lstrip(b"\0")
                while not following and (following := self._file.read(UNPACKED_BYTES)):
                    following = following.lstrip(b"\0")
                if not following:
                    return b""
                self._decompressor = _decompressor()
                part = self._decompressor.decompress(following, size)
            elif self._decompressor.needs_input:
                if not (packed := self._file.read(UNPACKED_BYTES)):
                    raise EOFError("the compressed file is cut short")
                part = self._decompressor.decompress(packed, size)
            else:
                part = self._decompressor.decompress(b"", size)
            if part:
                return part


def _decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=MAX_DICTIONARY)
