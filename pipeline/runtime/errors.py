"""Errors that a user can fix: the exception for them, and messages for what the operating system refuses."""

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FULL = ("no space left", "make room there, then run the command again")
DENIED = ("permission denied", "change its permissions, or run the command as a user who has them")
READ_ONLY = ("read-only", "make it writable, or use a copy of the project elsewhere")
TOO_LARGE = ("larger than a file may be", "raise the limit (ulimit -f), then run the command again")
TOO_LONG = ("the name is too long", "choose a shorter one")
CIRCULAR = ("the link leads back to itself", "choose another path, or remove the link")
FAILING = ("cannot be read or written", "check the disk")
BY_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM), DENIED),
    errno.EROFS: READ_ONLY,
    errno.EFBIG: TOO_LARGE,
    errno.ENAMETOOLONG: TOO_LONG,
    errno.EIO: FAILING,
    errno.ELOOP: CIRCULAR,
}
BY_WORDS = {
    r"No space left on device|Disk quota exceeded|database or disk is full|\d+ requested and \d+ written"
    r"|Not enough free space": FULL,
    "Permission denied|unable to open database file": DENIED,
    "Read-only file system|readonly database": READ_ONLY,
    "File too large": TOO_LARGE,
    "disk I/O error": FAILING,
}
"""Refusals as worded by libraries that write files themselves: numpy, safetensors, sqlite."""
UNFINISHED_NAME = re.compile(r"\.([^/\\]+?)\.\d+(\.old)?\.tmp")
"""Name of a file that `pipeline.runtime.atomic.replace` has not finished."""


class PipelineError(Exception):
    """Error that the user can fix: one line that names the thing, what is wrong and what to do."""


def refusal(error: Exception) -> tuple[str, str] | None:
    """Return what the operating system refuses, and the remedy; None for any other error."""
    if isinstance(error, PipelineError):
        return None
    if isinstance(error, OSError) and error.errno in BY_ERRNO:
        return BY_ERRNO[error.errno]
    return next((refused for words, refused in BY_WORDS.items() if re.search(words, str(error))), None)


def first_of(items: Sequence[object], limit: int) -> str:
    """List items for a message; of many, list the first ones and count the rest."""
    more = f" and {len(items) - limit:,} more" if len(items) > limit else ""
    return ", ".join(map(str, items[:limit])) + more


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Quote names for a message; of many, quote the first ones and count the rest."""
    return first_of([repr(name) for name in names], limit)


@contextmanager
def translate_os_errors(place: Path | str) -> Iterator[None]:
    """Turn what the operating system refuses into a `PipelineError`; `place` is named if the error names no file."""
    try:
        yield
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            raise
        name = getattr(error, "filename2", None) or getattr(error, "filename", None) or place
        problem, remedy = refused
        finished_name = UNFINISHED_NAME.sub(r"\1", str(name))
        raise PipelineError(f"{finished_name}: {problem}; {remedy}") from error
