"""Lock that lets one process at a time into a block of code."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def exclusive_lock(lock: Path, waiting: str) -> Iterator[None]:
    """Hold the lock file `lock`, logging `waiting` if another process holds it first; it is freed if a process dies."""
    file = FileLock(lock)
    try:
        file.acquire(blocking=False)
    except Timeout:
        logging.getLogger(__name__).warning(waiting)
        file.acquire()
    try:
        yield
    finally:
        file.release()
