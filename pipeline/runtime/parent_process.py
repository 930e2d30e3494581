"""A process that ends with the one it works for, however that may end: nobody waits for its work any more.

Standard library only: `pipeline.reproduce.clone` also loads this file beside the code of another commit.
"""

import os
import select
import threading
import time
from functools import cache

POLL_SECONDS = 1


@cache
def end_with(process: int, grace: float = 0) -> None:
    """End this process when `process`, of the same machine, has ended. Nothing is cleared away, as by a SIGKILL.

    Args:
        process: its number.
        grace: seconds for what this process may be doing to end by itself, as after a signal to both of them.
    """
    threading.Thread(target=_follow, args=(process, grace), name=f"end with {process}", daemon=True).start()


def _follow(process: int, grace: float) -> None:
    _wait_for_end(process)
    time.sleep(grace)
    os._exit(1)


def _wait_for_end(process: int) -> None:
    try:
        # Linux alone has these: they know of the end at once, and never take a later process of the same number for it
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while _exists(process):
            time.sleep(POLL_SECONDS)
    else:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        ended.poll()


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):  # no more, or another user's by now
        return False
    return True
