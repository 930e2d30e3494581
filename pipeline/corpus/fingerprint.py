"""A hash of the user's own files, by which DVC notices that one was edited."""

import hashlib

from pipeline.config import Corpus
from pipeline.corpus.local_files import local_files
from pipeline.runtime.checksum import file_digest


def fingerprint(corpus: Corpus) -> str | None:
    """One `sha256:…` over the contents of all local files that `corpus` reads; None if it reads none.

    Raises:
        PipelineError: a file is missing.
    """
    files = local_files(corpus)
    if not files:
        return None
    lines = [f"{part} {file_digest(path, 'sha256')}\n" for part, path in files.items()]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
