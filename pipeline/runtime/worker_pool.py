"""Pool of worker processes: an ordered `map` over all cores, in bounded memory."""

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

Input = TypeVar("Input")
Output = TypeVar("Output")


class OrderedMap(Protocol):
    """Signature of the built-in `map` with one iterable."""

    def __call__(self, function: Callable[[Input], Output], items: Iterable[Input], /) -> Iterator[Output]:
        """Yield `function(item)` for each item, in order."""


@contextmanager
def worker_pool(processes: int) -> Iterator[OrderedMap]:
    """Yield a `map` that runs in `processes` worker processes; the built-in `map` if it is one.

    Functions and items must be picklable. Only a few items are read ahead of the results, so a stream stays a stream.
    The workers end when this process does.

    Raises:
        PipelineError: a worker was killed.
    """
    if processes == 1:
        yield map
        return
    # spawn: a forked child inherits locks held by threads (Arrow's, torch's) that do not exist in it
    context = multiprocessing.get_context("spawn")
    with (
        translate_worker_deaths(),
        ProcessPoolExecutor(processes, mp_context=context, initializer=_set_up, initargs=(os.getpid(),)) as pool,
    ):

        def ordered(function: Callable[[Input], Output], items: Iterable[Input], /) -> Iterator[Output]:
            pending: deque[Future[Output]] = deque()
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > processes + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

        try:
            yield ordered
        finally:
            pool.shutdown(cancel_futures=True)  # or the waiting items would still be processed


@contextmanager
def translate_worker_deaths() -> Iterator[None]:
    """Turn the death of a worker process, also one of joblib's, into a `PipelineError`."""
    try:
        yield
    except BrokenProcessPool:
        raise PipelineError(
            "a worker process was killed, perhaps because memory ran out, and the others were ended with it; "
            "free some memory, then run the command again"
        ) from None


def _set_up(parent: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one handles interrupts
    # Arrow's own allocator keeps tens of megabytes of freed memory, more as time goes by
    pa.set_memory_pool(pa.system_memory_pool())


def available_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
