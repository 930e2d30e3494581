"""Atomic replacement of files and folders: a reader never sees half of one."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.runtime.errors import PipelineError, translate_os_errors


@contextmanager
def replace(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write a file or folder at; on success it takes `path`'s place.

    On an exception the temporary file is removed and `path` stays as it was. What a killed process left behind while
    it wrote the same path is removed first; no two processes write one path at the same time.

    Raises:
        PipelineError: the operating system refuses (a full disk, a missing permission); or `path` is neither a file
            nor a folder, or is a folder that a file would replace.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old.tmp")
    with translate_os_errors(path):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise PipelineError(f"{path} is no regular file; name another")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        try:
            yield temporary
            if path.is_dir() and temporary.is_file():
                raise PipelineError(f"{path} is a folder; name a file")
            if temporary.is_dir() and os.path.lexists(path):  # also a link: a folder cannot take the place of one
                path.replace(old)  # a rename is atomic; a process killed while it removes a folder leaves a part of it
            temporary.replace(path)
        finally:
            if os.path.lexists(old) and not os.path.lexists(path):
                old.replace(path)
            _remove(temporary)
            _remove(old)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replace(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def follow_link(path: Path) -> Path:
    """Return the target of a link, or the path itself: an output that a user names is written through a link.

    DVC's outputs are not: a link there leads into DVC's cache, and is replaced.

    Raises:
        OSError: the link leads back to itself.
    """
    if not path.is_symlink():
        return path
    with suppress(FileNotFoundError):  # the target does not exist yet
        path.stat()
    return path.resolve()


def _remove_left_behind(path: Path) -> None:
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d{{1,9}})(\.old)?\.tmp")
    for neighbour in path.parent.iterdir():
        match = pattern.fullmatch(neighbour.name)
        if match and not _belongs_to_another(int(match[1])):
            _remove(neighbour)


def _belongs_to_another(process: int) -> bool:
    """Return whether another process than this one runs under a process id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return process != os.getpid()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
