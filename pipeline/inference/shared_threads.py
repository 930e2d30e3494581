"""A pool of threads that many callers share fairly: none waits for all of another's work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, TypeVar

Argument = TypeVar("Argument")
Returned = TypeVar("Returned")

Call = tuple["Future[Any]", Callable[[], Any]]


class SharedThreads:
    """Thread pool that computes the items of several callers in turn: one item of each, then the next of each.

    The first item of a caller goes before all later items, so that a caller with one item hardly waits, however many
    items the others have. So that the others make progress too, one later item is computed after each round of first
    items: those that were waiting when the round began. A caller on its own has all the threads.

    Args:
        threads: number of threads.
        initializer: called in each thread as it starts.
        arguments: for the initializer.
    """

    def __init__(self, threads: int, initializer: Callable[..., object], *arguments: object) -> None:
        self._threads = ThreadPoolExecutor(threads, initializer=initializer, initargs=arguments)
        self._lock = Lock()
        self._new: deque[deque[Call]] = deque()
        """Pending calls of each caller that has had no turn yet."""
        self._others: deque[deque[Call]] = deque()
        """Pending calls of every other caller; the caller whose turn is next comes first."""
        self._ahead: int | None = None
        """New callers that still go before the others in this round; None before a round begins."""

    def map(self, function: Callable[[Argument], Returned], items: Iterable[Argument]) -> Iterator[Returned]:
        """Yield `function(item)` for each item, in order. May be called from any thread outside the pool."""
        calls: deque[Call] = deque((Future(), partial(function, item)) for item in items)
        futures = [future for future, _ in calls]
        if calls:
            with self._lock:
                self._new.append(calls)
        for _ in futures:
            self._threads.submit(self._take_turn)
        return _results(futures)

    def close(self) -> None:
        """Stop computing; a caller that still waits gets a `concurrent.futures.CancelledError`."""
        self._threads.shutdown(wait=False)
        with self._lock:
            for calls in (*self._new, *self._others):
                for future, _ in calls:
                    future.cancel()

    def _take_turn(self) -> None:
        with self._lock:
            calls = self._next_caller()
            future, call = calls.popleft()
            if calls:
                self._others.append(calls)
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

    def _next_caller(self) -> deque[Call]:
        if not self._others:
            self._ahead = None
            return self._new.popleft()
        if self._ahead is None:
            self._ahead = len(self._new)
        if self._ahead:
            self._ahead -= 1
            return self._new.popleft()
        self._ahead = None
        return self._others.popleft()


def _results(futures: "list[Future[Any]]") -> Iterator[Any]:
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:  # when the caller takes no more results, or a call has failed
            future.cancel()
