"""What the server takes and refuses, and how long requests make room for short ones."""

import asyncio
import json
import socket
from collections.abc import Iterable
from concurrent.futures import CancelledError
from threading import Event
from typing import Any

import pytest

from pipeline.inference.shared_threads import SharedThreads
from pipeline.predict import load
from pipeline.runtime.port import bind
from pipeline.serve.application import LimitedApplication, application
from pipeline.serve.limits import Limits
from pipeline.serve.requests import Refusal, _once, check_body, check_type
from tests.support.commands import prepared

__all__ = ["prepared"]  # a fixture

JSON = "application/json"
LIMITS = Limits(body=40_000, texts=5, characters=1000, seconds=1)
TWO = {"inputs": ["a delight", "a bore"]}


@pytest.fixture(scope="module")
def model(prepared):
    return prepared / "artifacts" / "model"


@pytest.fixture(scope="module")
def served(model):
    return application(model, LIMITS)


def ask(
    served: LimitedApplication,
    *pieces: bytes,
    content_type: str | None = JSON,
    length: int | None = None,
    end: bool = True,
) -> tuple[int, Any]:
    """Status and answer to a body that comes in pieces; without its end the client waits after the last one."""
    headers = {b"content-type": content_type, b"content-length": None if length is None else str(length)}
    given = [(name, value.encode()) for name, value in headers.items() if value is not None]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/invocations", "headers": given}
    waiting, sent = list(pieces), []

    async def receive():
        if not waiting:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not end}

    async def send(message):
        sent.append(message)

    asyncio.run(served(scope | {"query_string": b""}, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


def encoded(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else json.dumps(payload).encode()


def test_a_good_request_is_answered_as_predict_answers(served, model):
    body = encoded(TWO)
    expected = [prediction._asdict() for prediction in load(model)(TWO["inputs"])]
    for pieces in ([body], [body[:9], body[9:]]):
        status, answer = ask(served, *pieces)
        assert status == 200
        assert answer["predictions"] == [{**one, "probability": pytest.approx(one["probability"])} for one in expected]


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON", 'application/json; charset="UTF-8"'])
def test_json_is_taken(served, content_type):
    assert ask(served, encoded(TWO), content_type=content_type)[0] == 200


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", ";", "json", "text/csv", "application/vnd.apache.parquet", "application/x-www-form-urlencoded"),
        *("application/json; charset=latin-1", "application/json; format=pandas-split"),
    ],
)
def test_another_type_is_refused(served, content_type):
    status, answer = ask(served, encoded(TWO), content_type=content_type)
    assert status == 415
    assert "only JSON in UTF-8 is taken" in answer["message"]
    with pytest.raises(Refusal):
        check_type(content_type)


def form(data: list[Any], **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"data": data, **more}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"inputs": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested more than 32 deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested more than 32 deep"),
        (b'{"inputs": ["a", ' + b"1" * 5000 + b"]}", "a number has more than 100 digits: 11111"),
        (b'{"dataframe_records": [{"text": "a", "n": 0.' + b"3" * 101 + b"}]}", "more than 100 digits"),
        ({"inputs": [["a", "b"], ["c", "d"]]}, "item 0 is a list of 2; give a plain list of texts"),
        ({"instances": [["a"], ["b", "c"]]}, "item 1 is a list of 2"),
        ({"inputs": ["a", ["b", "c"]]}, "item 1 is a list of 2"),
        ({"inputs": [[]]}, "item 0 is a list of 0"),
        ({"inputs": [[["a", "b"]]]}, "item 0 is ['a', 'b'], not a text"),
        ({"dataframe_records": [["a", "b"], ["c", "d"]]}, "item 0 is a list of 2"),
        (form([["a", "b"], ["c", "d"]]), "item 0 is a list of 2"),
        (form([["a", "b"], ["c", "d"]], columns=[0, "text"]), "item 0 is a list of 2"),
        (form([["a", "b"], ["c", "d"]], columns=["text", "text"]), "2 columns are named 'text'"),
        (form([["a"]], index=list(range(50))), "the 'index' is not a list of 1, as many as 'data' has rows"),
        (form([["a"], ["b"]], index=[0]), "the 'index' is not a list of 2"),
        (form([["a"]], index={"0": 0}), "the 'index' is not a list of 1"),
        (form([], index=[0, 1]), "the 'index' is not a list of 0"),
        ({"dataframe_split": {"data": {"text": ["a"] * 6}}}, "'data' is not a list of rows"),
        ({"dataframe_split": {"columns": ["text"], "index": [0, 1]}}, "'data' is not a list of rows"),
        ({"dataframe_records": [{"text": "a"}, {"txet": "b"}]}, "item 1 has no 'text', as others have"),
        ({"instances": [{"text": "a"}, {"review": "b"}]}, "item 1 has no 'text', as others have"),
        (b'{"inputs": ["a"], "inputs": ["b", "c"]}', "the key 'inputs' is given twice"),
        (b'{"dataframe_records": [{"text": "a", "text": "b"}]}', "the key 'text' is given twice"),
        ({"input": ["a", "b"], "text": "c"}, "the key 'input' is one of language models"),
        (b"good", "not valid JSON in UTF-8: Expecting value"),
        (b"", "not valid JSON in UTF-8"),
        (b'{"inputs": ["a', "not valid JSON in UTF-8: Unterminated string"),
        (b'{"inputs": ["\\', "not valid JSON in UTF-8"),
        (json.dumps(TWO).encode("utf-16"), "not valid JSON in UTF-8: 'utf-8' codec"),
        (json.dumps(TWO).encode("utf-32-le"), "not valid JSON in UTF-8"),
        ([1], "Received a list"),
        ({"inputs": ["a"], "instances": ["b"]}, "exactly one of the input fields"),
    ],
)
def test_what_does_not_give_each_text_once_is_refused_with_the_reason(served, body, reason):
    status, answer = ask(served, encoded(body))
    assert (status, reason in answer["message"]) == (400, True), answer


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"inputs": ["a"] * 6}, "6 texts; at most 5 are taken, send them in several requests"),
        (form([["a"]] * 6, columns=["text"]), "6 texts; at most 5"),
        ({"dataframe_records": [{"text": "a"}] * 6}, "6 texts; at most 5"),
        ({"inputs": ["a", "b" * 1001]}, "item 1 has 1001 characters; at most 1000 are taken, cut it"),
        ({"inputs": "b" * 1001}, "item 0 has 1001 characters"),
        ({"instances": "b" * 1001}, "item 0 has 1001 characters"),
        (form([["b" * 1001]], columns=["text"]), "item 0 has 1001 characters"),
        ({"dataframe_records": [{"text": "b" * 1001}]}, "item 0 has 1001 characters"),
        ({"dataframe_records": [{"text": "a", "n": [0] * 500}]}, "more than 500 values"),
        ({"inputs": ["b" * 40_000]}, "the body is larger than 40000 bytes"),
    ],
)
def test_what_is_too_large_is_refused_with_the_limit(served, body, reason):
    status, answer = ask(served, encoded(body))
    assert (status, reason in answer["message"]) == (413, True), answer


def test_a_body_is_refused_once_it_is_too_large(served):
    assert ask(served, length=40_001)[0] == 413  # before any of it has come
    assert ask(served, b"[" * 30_000, b"[" * 30_000, end=False)[0] == 413  # in chunks: before the last


def test_what_strings_hold_is_not_counted(served):
    texts = ["[" * 500, "1" * 500, '\\"[[[' * 50, ",,,,"]
    assert ask(served, encoded({"inputs": texts}))[0] == 200


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\', b"[", b"[],", b"{},", b"1,", b" ", b"<", b"]"])
def test_no_body_of_some_size_takes_long_to_check(piece):
    for start in (b"", b'"', b'{"inputs": ['):
        with pytest.raises(Refusal):
            check_body(start + piece * 200_000, Limits())


def test_a_key_given_twice_among_many_is_found_in_one_pass():
    counted = []

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            counted.append(other)
            return str.__eq__(self, other)

    names = [f"{i}" for i in range(2000)]
    with pytest.raises(Refusal, match="the key '1999' is given twice"):
        _once([(Name(name), None) for name in [*names, "1999"]])
    assert len(counted) < 10 * len(names)


def test_a_table_with_an_index_is_taken(served):
    status, answer = ask(served, encoded(form([["a"], ["b"]], index=[7, 9])))
    assert (status, len(answer["predictions"])) == (200, 2)


def test_a_body_that_does_not_come_is_not_waited_for(served):
    status, answer = ask(served, b'{"inputs": [', end=False)
    assert (status, answer["message"]) == (408, "the body was not sent within 1 seconds")


def test_an_unforeseen_error_of_a_request_reaches_no_other(caplog):
    async def broken(_scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b'"Internal Server Error"'})
        raise ZeroDivisionError  # as Starlette does: a server that sees it cuts the connection

    assert ask(LimitedApplication(broken, LIMITS, lambda: None), encoded(TWO)) == (500, "Internal Server Error")
    assert "ZeroDivisionError" in caplog.text


def test_answers_are_sent_at_once():
    """Asyncio turns Nagle's delay off for a socket that names its protocol: 40 ms an answer."""
    with bind(free()) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


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
    threads, computed, told = one_thread(), [], Event()

    def divide(divisor: int) -> None:
        computed.append(divisor)
        assert divisor != 2 or told.wait(60)
        assert 1 / divisor

    with pytest.raises(ZeroDivisionError):
        list(threads.map(divide, [1, 0, 2, 3, 4]))
    told.set()
    assert list(threads.map(str, range(3))) == ["0", "1", "2"]
    assert computed in ([1, 0], [1, 0, 2])


def test_who_waits_at_the_end_is_told():
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


def test_slices_change_no_answer(model):
    texts = [f"This film is {'a delight ' * (i % 9)}{'a bore' * (i % 2)}" for i in range(100)]
    whole, sliced = load(model).probabilities(texts), type(load(model)).load(model, batch_size=8).probabilities(texts)
    assert sliced == pytest.approx(whole, abs=1e-6)
