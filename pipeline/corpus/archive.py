"""Corpora in the archive of the Large Movie Review Dataset, read as a stream and never unpacked to disk.

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
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa

from pipeline.config.corpus import ArchiveCorpus
from pipeline.config.labels import NEGATIVE, POSITIVE
from pipeline.corpus.canonical import (
    GROUP_COLUMN,
    LABELLED_SCHEMA,
    MAX_REVIEW_BYTES,
    UNLABELLED_SCHEMA,
    CanonicalWriter,
)
from pipeline.corpus.download import download_file
from pipeline.corpus.unpacking import OTHER_ARCHIVE, open_archive
from pipeline.runtime.checksum import verify_checksum
from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.named_files import existing_file
from pipeline.runtime.paths import project_root
from pipeline.tables.parquet import BATCH_BYTES

# limits against decompression bombs: at least 20 times what the official archive (100,000 reviews, 0.4 GB) needs
MAX_MEMBERS = 5_000_000
MAX_UNPACKED = 20 * 2**30
MAX_HEADER = 2**16
"""Bytes of an extra header of a member, such as a long name, which tarfile reads into memory."""
MAX_HELD = MAX_REVIEW_BYTES + 2**20
"""Bytes of a member that are held in memory: its text and its headers, of which there may be any number."""
MAX_GLOBAL_ENTRIES = 100
"""Header entries that apply to all members after them, which tarfile remembers."""

BATCH_REVIEWS = 1024
"""Reviews of a batch, unless they take more than `BATCH_BYTES`."""
GROUP_REVIEWS = 50
"""Successive numbers of one label that form a group, so that a validation split is of other films, too: the archive
numbers its reviews film by film and splits them by film. Only the films at the ends of a group are in two groups."""
RATED_SCHEMA = LABELLED_SCHEMA.append(pa.field("rating", pa.int8())).append(pa.field(GROUP_COLUMN, pa.string()))
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
_MEMBER_NAME = re.compile(rf"(?:\./)?[^/]+/({'|'.join(FOLDERS)})/([^/.][^/]*)\.txt")
_FILE_NAME = re.compile(r"([0-9]{1,18})_([0-9]{1,2})")


class ArchiveReview(NamedTuple):
    """Review of an archive; the label is None for an unlabelled one."""

    id: str
    text: str
    label: int | None
    rating: int
    split_group: str


class _Member(tarfile.TarInfo):
    """Member of an archive whose extra headers are small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """Read a header.

        Raises:
            tarfile.TarError: it announces an extra header of the size of a decompression bomb.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in EXTRA_HEADERS and member.size > MAX_HEADER:
            raise tarfile.TarError(f"a header of {member.size:,} bytes")
        return member


def local_archive(corpus: ArchiveCorpus) -> Path | None:
    """Return the path of an archive on this machine; None for one that has to be downloaded.

    Raises:
        PipelineError: the file is missing, or the URL is of a kind that cannot be read.
    """
    parts = urlsplit(corpus.url)
    match parts.scheme.lower():
        case "http" | "https":
            return None
        case "":
            return existing_file("corpus.url", corpus.url)
        case "file" if parts.netloc in {"", "localhost"}:
            return existing_file("corpus.url", url2pathname(parts.path))
    raise PipelineError(
        f"corpus.url: cannot read {corpus.url}; give an https://, http:// or file:/// URL or a local path"
    )


def add_archive(corpus: ArchiveCorpus, writer: CanonicalWriter) -> None:
    """Add the archive's reviews in its own order, with ids such as `test/pos/123_9`; labelled ones keep their `rating`.

    Raises:
        PipelineError: the archive cannot be downloaded, its checksum is wrong, or a member is not what it should be.
    """
    waiting: dict[str, list[ArchiveReview]] = defaultdict(list)
    held = Counter[str]()
    for split, review in archive_reviews(_verified_archive(corpus)):
        waiting[split].append(review)
        held[split] += len(review.text)
        if len(waiting[split]) == BATCH_REVIEWS or held[split] > BATCH_BYTES:
            writer.add(split, _batch(split, waiting.pop(split)))
            del held[split]
    for split, reviews in waiting.items():
        writer.add(split, _batch(split, reviews))


def _verified_archive(corpus: ArchiveCorpus) -> Path:
    path = local_archive(corpus)
    if path is None:
        return download_file(corpus.url, corpus.checksum, project_root() / ".downloads")
    verify_checksum(path, corpus.checksum, "correct corpus.url or corpus.checksum")
    return path


def _batch(split: str, reviews: list[ArchiveReview]) -> pa.RecordBatch:
    schema = UNLABELLED_SCHEMA if split == "unlabelled" else RATED_SCHEMA
    return pa.RecordBatch.from_pylist([review._asdict() for review in reviews], schema=schema)


def archive_reviews(path: Path) -> Iterator[tuple[str, ArchiveReview]]:
    """Yield the reviews of an archive with their split, in the archive's order.

    Raises:
        PipelineError: the file is not a tar archive, or a member is hostile, too large, misnamed or not UTF-8.
    """
    total = 0
    try:
        with (
            translate_os_errors(path),
            open_archive(path, MAX_UNPACKED, MAX_HELD) as stream,
            tarfile.open(fileobj=stream, mode="r:", tarinfo=_Member) as archive,  # type: ignore[call-overload]  # no `write`
        ):
            for count, member in enumerate(archive, 1):
                total += member.size
                if count > MAX_MEMBERS or total > MAX_UNPACKED:
                    raise PipelineError(f"{path} unpacks to far more than a corpus of reviews; {OTHER_ARCHIVE}")
                if len(archive.pax_headers) > MAX_GLOBAL_ENTRIES:
                    problem = f"headers set over {MAX_GLOBAL_ENTRIES} entries for all members"
                    raise PipelineError(f"{path}: {problem}; {OTHER_ARCHIVE}")
                if review := _read_review(path, archive, member):
                    yield review
                archive.members.clear()  # where tarfile remembers every member it has passed
                stream.held = 0
    # tarfile trusts the numbers and the text in headers: a wrong one causes any of these errors
    except (
        *(tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, LookupError, RecursionError),
    ) as error:
        raise PipelineError(f"{path} cannot be read as a tar archive ({error}); {OTHER_ARCHIVE}") from None


def _read_review(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, ArchiveReview] | None:
    """Return a member's split and review; None for a folder or one of the archive's other files."""

    def refused(problem: str) -> PipelineError:
        return PipelineError(f"{path}: the member {member.name!r} {problem}; {OTHER_ARCHIVE}")

    if member.name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.name):
        raise refused("points outside the archive")
    match = _MEMBER_NAME.fullmatch(member.name)
    if match is None:
        return None
    folder, name = match.groups()
    numbers = _FILE_NAME.fullmatch(name)
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise refused("is a link or device, not a review")
    if numbers is None:
        raise refused("is not named <number>_<rating>.txt")
    if member.size > MAX_REVIEW_BYTES:
        raise refused(f"has {member.size:,} bytes, too many for a review")
    try:
        text = file.read().decode("utf-8")
    except UnicodeDecodeError:
        raise refused("is not UTF-8") from None
    split, label = FOLDERS[folder]
    group = f"{folder}/{int(numbers[1]) // GROUP_REVIEWS}"
    return split, ArchiveReview(f"{folder}/{name}", text, label, int(numbers[2]), group)
