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
ASCII = 0x7F
WIDE = ("utf-16", "utf-32")
MARKS = {
    codecs.BOM_UTF8: ("utf-8", "utf-8-sig"),
    codecs.BOM_UTF32_LE: ("utf-32", "utf-32-le"),  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: ("utf-32", "utf-32-be"),
    codecs.BOM_UTF16_LE: ("utf-16", "utf-16-le"),
    codecs.BOM_UTF16_BE: ("utf-16", "utf-16-be"),
}
"""Marks that a file may begin with, and the encodings that read it: the first unless one is stated."""
NO_MARK = "does not start with BOM"
"""Part of what Python says of UTF-16 or UTF-32 without its mark."""
OTHER_FORMATS = {
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip or .xlsx",
    b"PAR1\x15": ".parquet",
}
"""Endings of files that are no text, by the bytes that they begin with."""
NULS = {"utf-32-le": (2, 3), "utf-32-be": (0, 1), "utf-16-le": (1, 3), "utf-16-be": (0, 2)}
"""Bytes of each four that are mostly NUL in text that is mostly Latin; UTF-32 before UTF-16, which it resembles."""
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
        PipelineError: the file is damaged, packed or binary, or its mark is of another encoding than the one given.
    """
    start = first_bytes(path, 5)
    if ending := next((ending for mark, ending in OTHER_FORMATS.items() if start.startswith(mark)), None):
        raise PipelineError(f"{path} is no text, but a file that should end in {ending}; rename it")
    marked = next((names for mark, names in MARKS.items() if start.startswith(mark)), ())
    if encoding is None:
        return marked[0] if marked else "utf-8"
    name = codecs.lookup(encoding).name
    if marked and name not in marked:
        raise _another_encoding(path, marked[0], name)
    return name


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
                    raise _another_encoding(path, "utf-8", encoding)
        except UnicodeError as error:  # since Python 3.14 a missing byte order mark is a UnicodeDecodeError too
            raise _undecodable(path, encoding, error, done, last=not chunk) from None
        if b"\0" in piece:
            line = _line(path, encoding, done, piece[: piece.index(b"\0")])
            evident = _by_nuls(path)
            stated = option("encoding", UNSTATED if evident in (None, encoding) else evident)
            raise PipelineError(
                f"{line}: holds a NUL character; convert the file to UTF-8, or state its encoding: {stated}"
            )
        if not done:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        if piece:
            yield piece


def _undecodable(path: Path, encoding: str, error: UnicodeError, chunks: int, last: bool) -> PipelineError:
    """Return the error of a file that is not in the encoding stated.

    Args:
        path: path of the file.
        encoding: the encoding stated.
        error: what Python says of it.
        chunks: number of pieces that were decoded before.
        last: only the end of the file was left to decode.
    """
    if evident := _evident_encoding(path):
        return _another_encoding(path, evident, encoding)
    reason = str(error)
    if isinstance(error, UnicodeDecodeError):
        reason = error.reason
        if NO_MARK not in reason:
            line = _line(path, encoding, chunks, error.object[: error.start])
            data, place = error.object, error.start
            if last or encoding.startswith(WIDE):  # too little is left, or the place says nothing
                data = first_bytes(path, SAMPLE_BYTES)
                place = next((place for place, byte in enumerate(data) if byte > ASCII), 0)
            return PipelineError(f"{line}: {_wrong_encoding(encoding, data, place)}")
    return PipelineError(f"{path}, line 1: not {encoding.upper()} ({reason}); state {option('encoding')}")


def _line(path: Path, encoding: str, chunks: int, rest: bytes) -> str:
    """Name the line at the end of a number of chunks and a rest."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before = sum(decoder.decode(chunk).count("\n") for chunk in islice(read_chunks(path), chunks))
    return f"{path}, line {1 + before + rest.count(LINE_FEED)}"


def _with_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Add an empty piece that says that there are no more."""
    yield from chunks
    yield b""


def _another_encoding(path: Path, encoding: str, stated: str) -> PipelineError:
    """Return the error of a file that is surely in another encoding than the one stated, or than UTF-8."""
    detected = encoding in ("utf-8", *WIDE)
    remedy = f"leave {option('encoding', stated)} out" if detected else f"set {option('encoding', encoding)}"
    return PipelineError(f"{path} is {encoding.upper()}, not {stated.upper()}; {remedy}, or convert the file")


def _evident_encoding(path: Path) -> str | None:
    """Return the encoding of a file that is not in the one stated, if its bytes leave no doubt."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _with_end(read_chunks(path)):
            if b"\0" in chunk:
                return _by_nuls(path)
            decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _by_nuls(path: Path) -> str | None:
    """Return the kind of UTF-16 or UTF-32 that the places of NUL bytes tell, or None."""
    start = first_bytes(path, SAMPLE_BYTES)
    often = {place for place in range(4) if 2 * start[place::4].count(b"\0") > len(start[place::4])}
    return next((name for name, places in NULS.items() if often.issuperset(places)), None)


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
