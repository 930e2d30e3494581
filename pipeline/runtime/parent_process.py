"""A process that ends when the process it works for has ended, even by SIGKILL.

This module imports the standard library alone: `pipeline.reproduce.clone` also loads it beside the code of another
commit.
"""

import os
import select
import threading
import time
from functools import cache

EXIT_POLL_SECONDS = 1


@cache
def end_with(process: int, grace: float = 0) -> None:
    """End this process, without any cleanup, once a process of the same machine has ended.

    Args:
        process: id of the other process.
        grace: seconds in which this process may still end by itself, as after a signal to both of them.
    """
    threading.Thread(target=_follow, args=(process, grace), name=f"end with {process}", daemon=True).start()


def _follow(process: int, grace: float) -> None:
    _wait_for_end(process)
    time.sleep(grace)
    os._exit(1)


def _wait_for_end(process: int) -> None:
    try:
        # only on Linux: wakes up at once, and never mistakes a later process with the same id for this one
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while _exists(process):
            time.sleep(EXIT_POLL_SECONDS)
    else:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        ended.poll()


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):  # ended, or the id now belongs to another user's process
        return False
    return True
