"""Work spread over the cores, in order and with bounded memory."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol, TypeVar

import pyarrow as pa

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.parent_process import end_with

Item = TypeVar("Item")
Result = TypeVar("Result")


class OrderedMap(Protocol):
    """The built-in `map`, with one iterable."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Yield `function(item)` for each item, in order."""


@contextmanager
def worker_pool(processes: int) -> Iterator[OrderedMap]:
    """Yield a `map` that runs in `processes` processes; plain `map` for one.

    Functions and items must be picklable. Only a few items are taken ahead of the results, so a stream stays a stream.
    The processes end with this one.

    Raises:
        PipelineError: one of them was killed.
    """
    if processes == 1:
        yield map
        return
    # spawn: a forked child inherits the locks of threads (Arrow's, torch's) that do not exist in it
    context = multiprocessing.get_context("spawn")
    with (
        clear_deaths(),
        ProcessPoolExecutor(processes, mp_context=context, initializer=_set_up, initargs=(os.getpid(),)) as pool,
    ):

        def ordered(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
            pending: deque[Future[Result]] = deque()
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > processes + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

        try:
            yield ordered
        finally:
            pool.shutdown(cancel_futures=True)  # else what waits would still be worked on


@contextmanager
def clear_deaths() -> Iterator[None]:
    """Turn the death of a process of a pool, also of joblib's, into a `PipelineError`."""
    try:
        yield
    except BrokenProcessPool:
        raise PipelineError(
            "a worker process was killed, as the system does where memory runs out, and the others were ended with it; "
            "make room in memory, then give the same command again"
        ) from None


def _set_up(parent: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the business of the process that started this one
    # Arrow's own allocator keeps tens of megabytes of what was freed, more as time goes by.
    pa.set_memory_pool(pa.system_memory_pool())


def available_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
