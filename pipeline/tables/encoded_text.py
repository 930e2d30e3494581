"""Users' text files in any encoding, read as UTF-8; of one that does not fit, the message guesses the right one."""

import codecs
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from charset_normalizer import from_bytes

from pipeline.runtime.errors import PipelineError
from pipeline.tables.format_advice import UNSTATED, option
from pipeline.tables.unpacked import first_bytes, read_chunks

LINE_FEED = b"\n"
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NO_MARK = "does not start with BOM"
"""Part of what Python says of UTF-16 or UTF-32 without its mark."""
OTHER_FORMATS = {
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip or .xlsx",
    b"PAR1\x15": ".parquet",
}
"""Endings of files that are no text, by the bytes that they begin with."""
LIKELY_ENCODINGS = ["utf_8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "gb18030", "big5"]
LIKELY_ENCODINGS += ["cp932", "cp949", "mac_roman"]
FEW_CHARACTERS = 5
"""Characters beyond ASCII that may be of UTF-8 by chance."""
SHOWN = 30
"""Characters around the place that a message shows, for the user to judge the guess."""
SAMPLE_BYTES = 64 * 2**10
"""Bytes by which an encoding is guessed for a message."""


def stated_encoding(path: Path, encoding: str | None) -> str:
    """Return the encoding of a text file: the one given, the one its mark tells, or UTF-8.

    Raises:
        PipelineError: the file is damaged, or packed or binary.
    """
    start = first_bytes(path, 5)
    if ending := next((ending for mark, ending in OTHER_FORMATS.items() if start.startswith(mark)), None):
        raise PipelineError(f"{path} is no text, but a file that should end in {ending}; rename it")
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")
    return codecs.lookup(marked if encoding is None else encoding).name


def read_text(path: Path, encoding: str) -> Iterator[bytes]:
    """Read a text file in pieces of valid UTF-8, without its byte order mark.

    Args:
        path: path of the file.
        encoding: encoding of the file, as `stated_encoding` returns it.

    Raises:
        PipelineError: a byte does not fit the encoding, the file is in UTF-8 instead, or a character is NUL; the
            message names the line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    held = b""
    for done, chunk in enumerate(_with_end(read_chunks(path))):
        try:
            if encoding == "utf-8" and chunk.isascii() and chunk and not held:
                piece = chunk
            elif encoding == "utf-8":
                decoder.decode(chunk, final=not chunk)
                # the bytes themselves, but for a character that the next piece completes
                piece, held = held + chunk, decoder.getstate()[0]
                piece = piece[: len(piece) - len(held)]
            else:
                piece = decoder.decode(chunk, final=not chunk).encode()
                if not encoding.startswith("utf") and _is_utf8(chunk):
                    remedy = f"leave {option('encoding', encoding)} out, or convert the file"
                    raise PipelineError(f"{path} is UTF-8, not {encoding.upper()}; {remedy}")
        except UnicodeError as error:  # since Python 3.14 a missing byte order mark is a UnicodeDecodeError too
            reason = str(error)
            if isinstance(error, UnicodeDecodeError):
                reason = error.reason
                if NO_MARK not in reason:
                    line = _line(path, encoding, done, error.object[: error.start])
                    raise PipelineError(f"{line}: {_wrong_encoding(encoding, error.object, error.start)}") from None
            problem = f"not {encoding.upper()} ({reason}); state {option('encoding')}"
            raise PipelineError(f"{path}, line 1: {problem}") from None
        if b"\0" in piece:
            line = _line(path, encoding, done, piece[: piece.index(b"\0")])
            problem = "holds a NUL character; convert the file to UTF-8, or state its encoding"
            raise PipelineError(f"{line}: {problem}: {option('encoding', _likely_utf16(piece))}")
        if not done:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        if piece:
            yield piece


def _line(path: Path, encoding: str, chunks: int, rest: bytes) -> str:
    """Name the line at the end of a number of chunks and a rest."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before = sum(decoder.decode(chunk).count("\n") for chunk in islice(read_chunks(path), chunks))
    return f"{path}, line {1 + before + rest.count(LINE_FEED)}"


def _with_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Add an empty piece that says that there are no more."""
    yield from chunks
    yield b""


def _likely_utf16(data: bytes) -> str:
    """Return the kind of UTF-16 that text with NUL characters seems to be, or `UNSTATED`."""
    first, second = data[::2].count(b"\0"), data[1::2].count(b"\0")
    if max(first, second) < len(data) // 4:
        return UNSTATED
    return "utf-16-le" if second > first else "utf-16-be"


def _is_utf8(data: bytes) -> bool:
    """Return True if bytes beyond ASCII are characters of UTF-8, which many of another encoding never are by chance."""
    try:
        characters = codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return sum(not character.isascii() for character in characters[:SAMPLE_BYTES]) > FEW_CHARACTERS


def _wrong_encoding(encoding: str, data: bytes, place: int) -> str:
    # whole lines around the place: a sample of whole words
    start = data.rfind(LINE_FEED, 0, max(0, place - SAMPLE_BYTES // 2)) + 1
    guesses = from_bytes(data[start : place + SAMPLE_BYTES], cp_isolation=LIKELY_ENCODINGS)
    likely = f"state its encoding: {option('encoding')}"
    if guess := guesses.best():
        # of those that read the sample alike, or as plausibly, the most common
        alike = [g for g in guesses if g.chaos <= guess.chaos and g.coherence >= guess.coherence]
        best = min((name for g in alike for name in g.could_be_from_charset), key=LIKELY_ENCODINGS.index)
        line = data.rfind(LINE_FEED, 0, place) + 1
        before = len(data[line:place].decode(best, "replace"))
        read = data[line : place + SAMPLE_BYTES].decode(best, "replace").splitlines()[0]
        shown = read[max(0, before - SHOWN // 2) : before + SHOWN // 2].strip()
        likely = f"probably {best}, in which it reads {shown!r}: set {option('encoding', best)}"
    return f"not {encoding.upper()}; {likely}, or convert the file to UTF-8"
