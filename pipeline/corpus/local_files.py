"""The files of the user's that a corpus reads."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.config import ArchiveCorpus, Corpus, FilesCorpus, PackageCorpus
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import existing_file


def is_remote(url: str) -> bool:
    """Whether a URL has to be downloaded."""
    return urlsplit(url).scheme.lower() in {"http", "https"}


def local_files(corpus: Corpus) -> dict[str, Path]:
    """The local files read by `corpus`, by what they hold: `archive`, or the split `train`, `validation`, `test`.

    Paths in the configuration are relative to the project root. A package, and an archive elsewhere, have none.

    Raises:
        PipelineError: a file is missing, or the URL is of a kind that cannot be read.
    """
    match corpus:
        case PackageCorpus():
            return {}
        case ArchiveCorpus():
            return {} if is_remote(corpus.url) else {"archive": existing_file("corpus.url", _path_of(corpus.url))}
        case FilesCorpus(path=str(path)):
            return {"train": existing_file("corpus.path", path)}
        case FilesCorpus():
            named = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
            return {split: existing_file(f"corpus.{split}", path) for split, path in named.items() if path is not None}


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    if not parts.scheme:
        return url
    if parts.scheme.lower() != "file" or parts.netloc not in {"", "localhost"}:
        raise PipelineError(f"corpus.url: cannot read {url}; give an https://, http:// or file:/// URL or a local path")
    return url2pathname(parts.path)
