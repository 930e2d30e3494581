"""From any corpus of the configuration to the normal form."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config import ArchiveCorpus, Corpus, FilesCorpus, PackageCorpus
from pipeline.corpus.archive import add_archive
from pipeline.corpus.canonical import NormalForm
from pipeline.corpus.package import add_package
from pipeline.corpus.user_files import add_files
from pipeline.runtime import files

log = logging.getLogger(__name__)


def write_corpus(corpus: Corpus, downloads: Path, check: Callable[[], None] = lambda: None) -> None:
    """Fetch a corpus, check it, and write it to the folder `downloads` in the normal form, whole or not at all.

    The folder gets a Parquet file per split (`id, text: string`, `label: int8`, kept columns) and `corpus.json`.

    Args:
        corpus: from the configuration.
        downloads: the folder.
        check: called before the folder takes its place; what it raises leaves everything as it was.

    Raises:
        PipelineError: the corpus cannot be fetched or read, its checksum is wrong, or a label has no review.
    """
    with files.replace(downloads) as folder:
        folder.mkdir()
        with NormalForm(folder) as normal_form:
            match corpus:
                case PackageCorpus():
                    add_package(corpus, normal_form)
                case ArchiveCorpus():
                    add_archive(corpus, normal_form)
                case FilesCorpus():
                    add_files(corpus, normal_form)
            normal_form.check()
        sizes = normal_form.sizes()
        description = {
            "name": corpus.name,
            "source": corpus.source,
            "licence": corpus.licence,
            "citation": corpus.citation,
            "checksum": None if isinstance(corpus, FilesCorpus) else corpus.checksum,
            "config": corpus.model_dump(mode="json"),
            "splits": sizes,
            "left_out": dict(sorted(normal_form.left_out.items())),
        }
        files.write_json(folder / "corpus.json", description)
        check()
    log.info("%s: %s", corpus.name, _listed(sizes))
    if normal_form.left_out:
        log.info("left out: %s", _listed(normal_form.left_out))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
