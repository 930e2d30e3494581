"""What a user of the pipeline is meant to read: the one exception, and what the operating system refuses."""

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FULL = ("no space left", "make room there, then give the same command again")
DENIED = ("permission denied", "see to its permissions, or give the command as a user who may do this")
READ_ONLY = ("read-only", "make it writable, or use a copy of the project elsewhere")
TOO_LARGE = ("larger than a file may be", "raise the limit (ulimit -f), then give the same command again")
TOO_LONG = ("the name is too long", "give a shorter one")
CIRCULAR = ("the link leads back to itself", "name another, or remove it")
FAILING = ("cannot be read or written", "see to the disk")
REFUSALS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM), DENIED),
    errno.EROFS: READ_ONLY,
    errno.EFBIG: TOO_LARGE,
    errno.ENAMETOOLONG: TOO_LONG,
    errno.EIO: FAILING,
    errno.ELOOP: CIRCULAR,
}
WORDED = {
    r"No space left on device|Disk quota exceeded|database or disk is full|file write failed|unexpected pos \d+ vs \d+"
    r"|\d+ requested and \d+ written|Not enough free space": FULL,
    "Permission denied|unable to open database file": DENIED,
    "Read-only file system|readonly database": READ_ONLY,
    "File too large": TOO_LARGE,
    "disk I/O error": FAILING,
}
"""The same in the words of libraries that write files themselves: numpy, PyTorch, safetensors, sqlite."""
TEMPORARY = re.compile(r"\.([^/\\]+?)\.\d+(\.old)?\.tmp")
"""As `pipeline.runtime.files.replace` names what is not finished."""


class PipelineError(Exception):
    """Something the user can put right: one line that names the thing, what is wrong and what to do."""


def refusal(error: Exception) -> tuple[str, str] | None:
    """What the operating system refuses, and the remedy; None for any other error."""
    if isinstance(error, PipelineError):
        return None
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return REFUSALS[error.errno]
    return next((found for words, found in WORDED.items() if re.search(words, str(error))), None)


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names in quotes for a message: of many the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


@contextmanager
def translate_os_errors(place: Path | str) -> Iterator[None]:
    """Turn what the operating system refuses into a `PipelineError`; `place` is named where the error names none."""
    try:
        yield
    except Exception as error:
        found = refusal(error)
        if found is None:
            raise
        named = getattr(error, "filename2", None) or getattr(error, "filename", None) or place
        what = TEMPORARY.sub(r"\1", str(named))
        raise PipelineError(f"{what}: {found[0]}; {found[1]}") from error
