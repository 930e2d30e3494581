"""Requests take turns: long ones make room for short ones and go on between them."""

from collections.abc import Iterable
from concurrent.futures import CancelledError
from threading import Event

import pytest

from pipeline.inference.shared_threads import SharedThreads


def one_thread() -> SharedThreads:
    return SharedThreads(1, lambda: None)


def test_first_items_go_before_later_ones_and_these_go_on():
    threads, order, answers = one_thread(), [], []
    comes_during = {"long 1": ["a", "b"], "a": ["c"], "b": ["d"], "c": ["e"], "d": ["f"]}

    def compute(item: str) -> str:
        order.append(item)
        answers.extend(threads.map(compute, [small]) for small in comes_during.get(item, []))
        return item

    many = [f"long {i}" for i in range(5)]
    assert list(threads.map(compute, many)) == many
    assert [next(answer) for answer in answers] == list("abcdef")
    assert order == ["long 0", "long 1", "a", "b", "long 2", "c", "d", "long 3", "e", "f", "long 4"]


def test_callers_with_many_items_take_turns():
    threads, order, ready = one_thread(), [], Event()
    gate = threads.map(lambda _: ready.wait(60), [None])
    both = [threads.map(order.append, [f"{name}{i}" for i in range(3)]) for name in "ab"]
    ready.set()
    assert [list(results) for results in both] == [[None] * 3] * 2
    assert list(gate) == [True]
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_an_error_ends_its_caller_alone():
    threads, computed, failed = one_thread(), [], Event()

    def divide(divisor: int) -> None:
        computed.append(divisor)
        assert divisor != 2 or failed.wait(60)
        assert 1 / divisor

    with pytest.raises(ZeroDivisionError):
        list(threads.map(divide, [1, 0, 2, 3, 4]))
    failed.set()
    assert list(threads.map(str, range(3))) == ["0", "1", "2"]
    assert computed in ([1, 0], [1, 0, 2])


def test_callers_that_wait_at_the_end_get_an_error():
    threads, ready, started = one_thread(), Event(), Event()

    def wait(_: None) -> bool:
        started.set()
        return ready.wait(60)

    results: Iterable[bool] = threads.map(wait, [None, None])
    assert started.wait(60)
    threads.close()
    ready.set()
    assert next(iter(results))
    with pytest.raises(CancelledError):
        list(results)
