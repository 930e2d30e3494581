"""Checksums written as `md5:<hex>` or `sha256:<hex>`."""

import hashlib
from pathlib import Path

from pipeline.runtime.errors import PipelineError


def file_digest(path: Path, algorithm: str) -> str:
    """The hex digest of a file's bytes, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 of the names and contents of a folder's files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = (f"{file.relative_to(folder).as_posix()} {file_digest(file, 'sha256')}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def content_digest(path: Path) -> str | None:
    """SHA-256 of a file or folder; None where there is nothing."""
    if path.is_dir():
        return folder_digest(path)
    return file_digest(path, "sha256") if path.exists() else None


def fingerprint(path: Path) -> str:
    """`sha256:…` of a file's bytes."""
    return f"sha256:{file_digest(path, 'sha256')}"


def verify(path: Path, checksum: str, what_to_do: str) -> None:
    """Compare a file with the checksum the configuration gives for it.

    Raises:
        PipelineError: they differ; the line gives both values and ends with `what_to_do`.
    """
    algorithm, _, expected = checksum.partition(":")
    got = file_digest(path, algorithm)
    if got != expected:
        raise PipelineError(
            f"{path} has the wrong checksum: expected {algorithm}:{expected}, got {algorithm}:{got}; {what_to_do}"
        )
