"""Threads that many callers share, so that none waits for all that another has asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Call = tuple["Future[Any]", Callable[[], Any]]


class SharedThreads:
    """Compute the items of several callers in turn: one item of each, then the next of each.

    The first item of a caller goes before all later ones, so that a caller with one item hardly waits, however many
    items others have. For those to go on, one of them is computed after the first items that waited for the last one.
    A caller alone has all the threads.
    """

    def __init__(self, threads: int, initializer: Callable[..., object], *arguments: object) -> None:
        self._threads = ThreadPoolExecutor(threads, initializer=initializer, initargs=arguments)
        self._lock = Lock()
        self._new: deque[deque[Call]] = deque()
        """What each caller waits for that has had no turn yet."""
        self._others: deque[deque[Call]] = deque()
        """What each other caller still waits for; the one whose turn it is comes first."""
        self._ahead: int | None = None
        """Of the new callers, those that go before the others; None where that is to be counted."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `function(item)` for each item, in order; any thread but these may call this."""
        calls: deque[Call] = deque((Future(), partial(function, item)) for item in items)
        futures = [future for future, _ in calls]
        if calls:
            with self._lock:
                self._new.append(calls)
        for _ in futures:
            self._threads.submit(self._take_turn)
        return _results(futures)

    def close(self) -> None:
        """Compute nothing more; a caller that still waits gets a `concurrent.futures.CancelledError`."""
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
        for future in futures:  # of a caller that takes no more, or for which one has failed
            future.cancel()
