"""The Large Movie Review Dataset's archive: read as a stream, never unpacked to disk.

Layout: `<top>/{train,test}/{pos,neg}/<number>_<rating>.txt` and `<top>/train/unsup/<number>_<rating>.txt`.
"""

import lzma
import re
import tarfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.config import ArchiveCorpus
from pipeline.corpus.canonical import GROUP, LONGEST, REVIEW, UNLABELLED, NormalForm
from pipeline.corpus.download import fetch
from pipeline.corpus.local_files import local_files
from pipeline.corpus.unpacking import REMEDY, unpacked
from pipeline.runtime import checksum
from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.paths import project_root
from pipeline.tables.labels import NEGATIVE, POSITIVE
from pipeline.tables.parquet import BATCH_BYTES

# Against decompression bombs; each is at least 20 times what the official archive (100,000 reviews, 0.4 GB) needs.
MAX_MEMBERS = 5_000_000
MAX_TOTAL = 20 * 2**30
MAX_NAME = 2**16
"""Bytes of a long name or other extra header of a member, which tarfile reads into memory."""
MAX_HELD = LONGEST + 2**20
"""Bytes of a member that are held: its text and its headers, of which there may be any number."""
MAX_COMMON = 100
"""Entries that headers set for all members after them, which tarfile remembers."""

ROWS = 1024
NEIGHBOURS = 50
"""The archive numbers its reviews film by film, and splits them by film. So many successive ones, of one label, are a
group, that a part held out for validation is of other films as well; only the films at a group's ends are in two."""
RATED = REVIEW.append(pa.field("rating", pa.int8())).append(pa.field(GROUP, pa.string()))
EXTRA_HEADERS = {
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
}
FOLDERS = {
    "train/neg": ("train", NEGATIVE),
    "train/pos": ("train", POSITIVE),
    "test/neg": ("test", NEGATIVE),
    "test/pos": ("test", POSITIVE),
    "train/unsup": ("unlabelled", None),
}
_MEMBER = re.compile(rf"(?:\./)?[^/]+/({'|'.join(FOLDERS)})/([^/.][^/]*)\.txt")
_NAME = re.compile(r"([0-9]{1,18})_([0-9]{1,2})")


class Row(NamedTuple):
    """A review of the archive; the label is None where it has none."""

    id: str
    text: str
    label: int | None
    rating: int
    split_group: str


class _Member(tarfile.TarInfo):
    """A member whose extra headers are small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """Read a header.

        Raises:
            tarfile.TarError: it announces an extra header as large as a decompression bomb.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in EXTRA_HEADERS and member.size > MAX_NAME:
            raise tarfile.TarError(f"a header of {member.size:,} bytes")
        return member


def add_archive(corpus: ArchiveCorpus, normal_form: NormalForm) -> None:
    """Add the archive's reviews in its own order, with ids such as `test/pos/123_9`; labelled ones keep their `rating`.

    Raises:
        PipelineError: the archive cannot be fetched, its checksum is wrong, or a member is not what it should be.
    """
    path = _obtain(corpus)
    waiting: dict[str, list[Row]] = defaultdict(list)
    held = Counter[str]()
    for split, row in reviews(path):
        waiting[split].append(row)
        held[split] += len(row.text)
        if len(waiting[split]) == ROWS or held[split] > BATCH_BYTES:
            normal_form.add(split, _batch(split, waiting.pop(split)))
            del held[split]
    for split, rows in waiting.items():
        normal_form.add(split, _batch(split, rows))


def _obtain(corpus: ArchiveCorpus) -> Path:
    local = local_files(corpus).get("archive")
    if local is None:
        return fetch(corpus.url, corpus.checksum, project_root() / ".downloads")
    checksum.verify(local, corpus.checksum, "correct corpus.url or corpus.checksum")
    return local


def _batch(split: str, rows: list[Row]) -> pa.RecordBatch:
    schema = UNLABELLED if split == "unlabelled" else RATED
    return pa.RecordBatch.from_pylist([row._asdict() for row in rows], schema=schema)


def reviews(path: Path) -> Iterator[tuple[str, Row]]:
    """The reviews of an archive with their split, in the archive's order.

    Raises:
        PipelineError: the file is not a tar archive, or a member is hostile, too large, misnamed or not UTF-8.
    """
    total = 0
    try:
        with (
            translate_os_errors(path),
            unpacked(path, MAX_TOTAL, MAX_HELD) as stream,
            tarfile.open(fileobj=stream, mode="r:", tarinfo=_Member) as archive,  # type: ignore[call-overload]
        ):
            for count, member in enumerate(archive, 1):
                total += member.size
                if count > MAX_MEMBERS or total > MAX_TOTAL:
                    raise PipelineError(f"{path} unpacks to far more than a corpus of reviews; {REMEDY}")
                if len(archive.pax_headers) > MAX_COMMON:
                    raise PipelineError(f"{path}: headers set over {MAX_COMMON} entries for all members; {REMEDY}")
                if found := _review(path, archive, member):
                    yield found
                # tarfile remembers every member it has passed; the stubs do not know the list.
                archive.members.clear()
                stream.held = 0
    # tarfile trusts the numbers and the text in headers: a wrong one ends in an error of any of these kinds
    except (
        *(tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, LookupError, RecursionError),
    ) as error:
        raise PipelineError(f"{path} cannot be read as a tar archive ({error}); {REMEDY}") from None


def _review(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, Row] | None:
    """A member's split and review; None for a folder or one of the archive's other files."""

    def refused(problem: str) -> PipelineError:
        return PipelineError(f"{path}: the member {member.name!r} {problem}; {REMEDY}")

    if member.name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.name):
        raise refused("points outside the archive")
    match = _MEMBER.fullmatch(member.name)
    if match is None:
        return None
    folder, name = match.groups()
    numbers = _NAME.fullmatch(name)
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise refused("is a link or device, not a review")
    if numbers is None:
        raise refused("is not named <number>_<rating>.txt")
    if member.size > LONGEST:
        raise refused(f"has {member.size:,} bytes, too many for a review")
    try:
        text = file.read().decode("utf-8")
    except UnicodeDecodeError:
        raise refused("is not UTF-8") from None
    split, label = FOLDERS[folder]
    group = f"{folder}/{int(numbers[1]) // NEIGHBOURS}"
    return split, Row(f"{folder}/{name}", text, label, int(numbers[2]), group)
