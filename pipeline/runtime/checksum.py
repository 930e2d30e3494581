"""Checksums written as `md5:<hex>` or `sha256:<hex>`."""

import hashlib
from pathlib import Path

from pipeline.runtime.errors import PipelineError


def file_digest(path: Path, algorithm: str) -> str:
    """Return the hex digest of a file's bytes, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of a folder's files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = (f"{file.relative_to(folder).as_posix()} {file_digest(file, 'sha256')}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def content_digest(path: Path) -> str | None:
    """Return the SHA-256 of a file or folder; None if there is neither."""
    if path.is_dir():
        return folder_digest(path)
    return file_digest(path, "sha256") if path.exists() else None


def file_fingerprint(path: Path) -> str:
    """Return `sha256:…` of a file's bytes."""
    return f"sha256:{file_digest(path, 'sha256')}"


def verify_checksum(path: Path, checksum: str, remedy: str) -> None:
    """Compare a file with the checksum that the configuration states for it.

    Raises:
        PipelineError: they differ; the message gives both values and ends with the remedy.
    """
    algorithm, _, expected = checksum.partition(":")
    actual = file_digest(path, algorithm)
    if actual != expected:
        raise PipelineError(
            f"{path} has the wrong checksum: expected {algorithm}:{expected}, got {algorithm}:{actual}; {remedy}"
        )
