"""The champion that `dvc repro` registered over HTTP, as `make serve` and the fast server serve it."""

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from benchmarks.serve import CHAMPION, SERVERS, render, served, trial
from pipeline.inference.predictor import Predictor
from pipeline.predict import load
from tests.conftest import Project

UNUSUAL = [
    "This film is a delight.",
    "",
    None,
    "a bore " * 50_000,
    "Ein wunderbarer Film",
    "最高の映画",
    "😀😀",
    "<br />",
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{trained.root}/mlflow.db"}
    log = tmp_path_factory.mktemp("serve") / "server.log"
    with served(CHAMPION, log, environment, SERVERS[request.param]) as running:
        yield running.address


@pytest.fixture(scope="module")
def model(trained: Project) -> Predictor:
    return load(trained.root / "artifacts" / "model")


def ask(server: str, body: Any) -> tuple[int, Any]:
    """Send a request, and return status and answer; a text is sent as it is."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    answer = requests.post(server, data=data, headers={"Content-Type": "application/json"}, timeout=60)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": UNUSUAL},
        {"instances": UNUSUAL},
        {"dataframe_split": {"columns": ["text"], "data": [[text] for text in UNUSUAL]}},
        {"dataframe_records": [{"stars": 3, "text": text} for text in UNUSUAL]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_unusual_texts_are_answered_as_predict_answers_them(server: str, model: Predictor, body: Any) -> None:
    status, answer = ask(server, body)
    assert status == 200
    expected = model(text or "" for text in UNUSUAL)
    answered = answer["predictions"]
    assert [prediction["label"] for prediction in answered] == [prediction.label for prediction in expected]
    assert [prediction["probability"] for prediction in answered] == pytest.approx(
        [prediction.probability for prediction in expected], abs=1e-6
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": ["good", 3]}, "item 1 is 3, not a text; write it in quotes, or null for none"),
        ({"inputs": [True]}, "item 0 is True, not a text"),
        (
            {"dataframe_records": [{"id": "7", "body": "good"}]},
            "2 columns ('id', 'body'), none of them named",
        ),
        ({"dataframe_records": [{"text": {"a": 1}}]}, "item 0 is {'a': 1}, not a text"),
        ({"inputs": [["a", "b"], ["c", "d"]]}, "item 0 is a list of 2; give a plain list of texts"),
        ({"inputs": None}, "None is given, not a list"),
        ({"inputs": ["good"], "instances": ["bad"]}, "exactly one of the input fields"),
        ("good", "valid JSON"),
        ("", "valid JSON"),
        (b'{"inputs": ["\xff"]}', "valid JSON"),
        ('{"dataframe_records": [{"text": "\\ud800"}]}', "surrogates not allowed"),
    ],
)
def test_a_request_without_texts_gets_status_400_and_the_reason(server: str, body: Any, message: str) -> None:
    status, answer = ask(server, body)
    assert status == 400
    assert message in answer["message"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(None, b'{"inputs": ["good"]}'), ("text/csv", b"text\ngood\n"), ("application/vnd.apache.parquet", b"PAR1")],
)
def test_another_content_type_than_json_gets_status_415(server: str, content_type: str | None, body: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = requests.post(server, data=body, headers=headers, timeout=60)
    assert (answer.status_code, "only JSON in UTF-8 is accepted" in answer.json()["message"]) == (415, True)


def connection(server: str) -> socket.socket:
    address = urlsplit(server)
    return socket.create_connection((address.hostname, address.port), timeout=60)


HEAD = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"


def test_a_body_that_is_too_large_gets_status_413_before_it_has_arrived(server: str) -> None:
    for head in (b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"):
        with connection(server) as sender:
            sender.sendall(HEAD + head + b"\r\n\r\n")
            if b"chunked" in head:
                for _ in range(17):
                    sender.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")
            assert sender.recv(1000).startswith(b"HTTP/1.1 413")


BAD = {
    "nested": (400, b'{"inputs": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "a long number": (400, b'{"inputs": ["a", ' + b"1" * 5000 + b"]}"),
    "pairs": (400, b'{"inputs": [["a", "b"], ["c", "d"]]}'),
    "no JSON": (400, b"good"),
    "many texts": (413, json.dumps({"inputs": ["a"] * 20_000}).encode()),
    "a long text": (413, json.dumps({"inputs": ["a" * 2_000_000]}).encode()),
    "a large body": (413, b" " * (17 * 2**20)),
}


def test_no_good_request_fails_beside_bad_ones(server: str, model: Predictor) -> None:
    expected = model(["This film is a delight."])[0]
    headers, done = {"Content-Type": "application/json"}, Event()

    def ask_well(session: requests.Session) -> None:
        answer = session.post(server, json={"inputs": ["This film is a delight."]}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"][0]["probability"] == pytest.approx(expected.probability, abs=1e-6)

    def send_badly(name: str) -> None:
        with requests.Session() as session:
            while not done.wait(0.02):
                status, body = BAD[name]
                answer = session.post(server, data=body, headers=headers, timeout=60)
                assert answer.status_code == status, name
                ask_well(session)  # on the same connection

    def send_half() -> None:
        while not done.wait(0.02):
            for sent in (HEAD, HEAD + b"Content-Length: 100\r\n\r\n{", HEAD[:30], b"\0\1\2\r\n\r\n"):
                with connection(server) as sender:
                    sender.sendall(sent)

    slow = [connection(server) for _ in range(20)]
    for sender in slow:
        sender.sendall(HEAD + b"Content-Length: 20\r\n\r\n")
    with ThreadPoolExecutor(len(BAD) + 1) as bad, ThreadPoolExecutor(4) as good:
        bad_clients = [*(bad.submit(send_badly, name) for name in BAD), bad.submit(send_half)]
        try:
            with requests.Session() as session:
                for _ in good.map(lambda _: ask_well(session), range(500)):
                    pass
        finally:
            done.set()
        for client in bad_clients:
            client.result()
    for sender in slow:
        sender.sendall(b'{"inputs": ["good"]}')
        assert sender.recv(1000).startswith(b"HTTP/1.1 200")
        sender.close()


def test_each_of_many_concurrent_requests_gets_its_own_answer(server: str, model: Predictor) -> None:
    texts = [f"This film is {'a delight ' * i}{'a bore' * (i % 2)}" for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(server, {"inputs": [text]})[1]["predictions"][0], texts))
    assert [answer["probability"] for answer in answers] == pytest.approx(
        [prediction.probability for prediction in model(texts)], abs=1e-6
    )


def test_a_load_trial_counts_the_answers(model: Predictor) -> None:
    here = psutil.Process()
    load = trial("bare", lambda: lambda text: model([text]), here, ["a delight", "a bore"], 2, 0.3)
    assert load.per_second > 10
    assert 0 < load.p50 <= load.p99
    assert 0 < load.cpu < 1
    assert load.memory > 1e7
    assert "| bare | " in render([load], {"processor": "x", "cores": 2, "load_before": 0.0})
