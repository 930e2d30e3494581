"""Every kind of corpus that the configuration can name: its local files, and its way to the canonical form.

A new kind of corpus is its schema in `pipeline/config/corpus.py`, a module beside this one, and a case in each function
here that needs one.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config.corpus import READ_BY_PREPROCESS_ALONE, ArchiveCorpus, Corpus, FilesCorpus, PackageCorpus
from pipeline.corpus.archive import add_archive, local_archive
from pipeline.corpus.canonical import CanonicalWriter
from pipeline.corpus.package import add_package
from pipeline.corpus.user_files import add_files, files_by_split
from pipeline.runtime.atomic import replace
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.records import write_json

log = logging.getLogger(__name__)


def write_corpus(corpus: Corpus, downloads: Path, check: Callable[[], None] = lambda: None) -> None:
    """Download or read a corpus, check it, and write it to a folder in canonical form, whole or not at all.

    The folder gets a Parquet file per split (`id, text: string`, `label: int8`, kept columns), one of the auxiliary
    texts, and `corpus.json`.

    Args:
        corpus: section `corpus` of the configuration.
        downloads: the folder.
        check: called before the folder takes its place; an exception it raises leaves everything as it was.

    Raises:
        PipelineError: the corpus cannot be downloaded or read, its checksum is wrong, or a label has no review.
    """
    with replace(downloads) as folder:
        folder.mkdir()
        with CanonicalWriter(folder, corpus.classes) as writer:
            match corpus:
                case PackageCorpus():
                    add_package("corpus", corpus, "train", writer)
                case ArchiveCorpus():
                    add_archive(corpus, writer)
                case FilesCorpus():
                    add_files(corpus, writer)
            if corpus.auxiliary is not None:
                add_package("corpus.auxiliary", corpus.auxiliary, "auxiliary", writer)
            writer.require_usable()
        config = corpus.model_dump(mode="json", exclude=READ_BY_PREPROCESS_ALONE)
        description = {
            "name": corpus.name,
            "source": corpus.source,
            "licence": corpus.licence,
            "citation": corpus.citation,
            "checksum": config.get("checksum"),
            "config": config,
            "classes": corpus.classes,
            "ordered": corpus.in_order,
            "splits": writer.sizes(),
            "left_out": dict(sorted(writer.left_out.items())),
        }
        grouped = isinstance(corpus, FilesCorpus) and corpus.group_column is not None
        if grouped:
            description["ungrouped"] = writer.ungrouped
        write_json(folder / "corpus.json", description)
        check()
    log.info("%s: %s", corpus.name, _format_counts(writer.sizes()))
    if writer.left_out:
        log.info("left out: %s", _format_counts(writer.left_out))
    if grouped and writer.ungrouped:
        problem = "reviews have no value in corpus.group_column; each is a group of its own"
        log.warning("%s of %s %s", f"{writer.ungrouped:,}", f"{writer.with_group_column:,}", problem)


def corpus_fingerprint(corpus: Corpus) -> str | None:
    """Return one `sha256:…` over all local files that a corpus reads and the order of its classes; None without files.

    DVC notices by it that a file was edited, or the order changed.

    Raises:
        PipelineError: a file is missing, or a URL is of a kind that cannot be read.
    """
    files = _local_files(corpus)
    if not files:
        return None
    lines = [f"{part} {file_digest(path, 'sha256')}\n" for part, path in files]
    if isinstance(corpus, FilesCorpus) and corpus.labels is not None:
        lines.append(f"classes {json.dumps(corpus.classes)}\n")  # DVC compares them without their order
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def _local_files(corpus: Corpus) -> list[tuple[str, Path]]:
    """Return the user's files that a corpus reads, with what they hold: `archive`, or the name of a split."""
    match corpus:
        case ArchiveCorpus():
            archive = local_archive(corpus)
            return [] if archive is None else [("archive", archive)]
        case FilesCorpus():
            return [(split, path) for split, paths in files_by_split(corpus).items() for path in paths]
        case _:
            return []


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
