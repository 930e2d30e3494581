"""The fast server: batches of concurrent requests, limits of waiting, promotion, and what it tells about itself."""

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.inference.predictor import Prediction
from pipeline.predict import load
from pipeline.registry.model_lookup import model_folder
from pipeline.registry.versions import set_alias
from pipeline.serve import live_model
from pipeline.serve.batcher import BATCHES, Batcher
from pipeline.serve.fast_application import fast_application
from pipeline.serve.limits import Limits
from pipeline.serve.live_model import LiveModel
from pipeline.serve.metrics import Metrics
from pipeline.tracking.store import Store
from tests.support.asgi import ask, encoded, exchange
from tests.support.models import SPAM, WORDS, word_model
from tests.support.registration import CONFIG, misleading, outcome, store, workspace

__all__ = ["misleading", "store"]  # fixtures


@pytest.fixture(scope="module")
def folder(tmp_path_factory, compose):
    return word_model(tmp_path_factory.mktemp("served") / "model", compose, SPAM)


def served(folder: Path, **limits: int) -> tuple[Any, LiveModel]:
    metrics = Metrics()
    live = LiveModel(str(folder), metrics)
    return fast_application(live, Limits(**limits), metrics), live


class HeldModel:
    """Answers each text with itself once it is released; fails on a batch with a text `poison`."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[Prediction]:
        self.batches.append([*texts])
        self.released.wait(10)
        if "poison" in texts:
            raise ZeroDivisionError
        return [Prediction(text, 0.5, [0.5, 0.5]) for text in texts]


def test_what_waits_is_computed_together_and_a_bad_request_fails_alone():
    model = HeldModel()
    batcher = Batcher(model)  # type: ignore[arg-type]
    first = [[f"first {number}"] for number in range(BATCHES)]
    later = [["a"], ["poison"], ["b", "c"]]

    async def requests() -> list[Any]:
        calls = []
        for texts in (*first, *later):
            calls.append(asyncio.create_task(batcher(texts)))
            while len(model.batches) < min(len(calls), BATCHES):  # until all threads are busy
                await asyncio.sleep(0.001)
        gone = asyncio.create_task(batcher(["of a client that has gone"]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])  # a thread that is free before would still take its text
        model.released.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    *answers, one, failed, two = asyncio.run(requests())
    assert [[prediction.label for prediction in answer] for answer in (*answers, one, two)] == [
        *first,
        ["a"],
        ["b", "c"],
    ]
    assert isinstance(failed, ZeroDivisionError)
    assert model.batches[:BATCHES] == first
    assert model.batches[BATCHES:] == [["a", "poison", "b", "c"], ["a"], ["poison"], ["b", "c"]]


def test_concurrent_requests_get_the_answers_of_predict(folder):
    application, _ = served(folder)
    texts = [f"an {word} offer {'and more ' * number}" for number in range(20) for word in WORDS[:2]]
    bodies = [{"texts": texts[start : start + 1 + start % 3]} for start in range(40)] + [{"texts": texts}]
    bodies.append({"texts": ["a superb offer " * 3000]})

    async def requests() -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(exchange(application, encoded(body), path="/predict") for body in bodies))

    model = load(folder)
    for body, (status, answer) in zip(bodies, asyncio.run(requests()), strict=True):
        expected = model(body["texts"])
        assert status == 200
        assert [row["label"] for row in json.loads(answer)["predictions"]] == [one.label for one in expected]
        assert [row["probability"] for row in json.loads(answer)["predictions"]] == pytest.approx(
            [one.probability for one in expected], abs=1e-6
        )


def test_a_full_queue_and_a_late_answer_are_refused(folder):
    application, live = served(folder, queue=3, wait=1)
    answering = live.current.batcher

    async def slow(texts: Sequence[str]) -> list[Prediction]:
        await asyncio.sleep(0.2 if len(texts) < 3 else 5)
        return await answering(texts)

    live.current = replace(live.current, batcher=slow)  # type: ignore[arg-type]

    async def requests() -> list[tuple[int, bytes]]:
        posts = [exchange(application, encoded({"texts": ["a"] * size})) for size in (2, 2, 1)]
        return await asyncio.gather(*posts, exchange(application, b"", method="GET", path="/ready"))

    accepted, refused, fits, ready = asyncio.run(requests())
    assert (accepted[0], fits[0], ready[0]) == (200, 200, 503)
    assert refused[0] == 429
    assert json.loads(refused[1])["message"] == "2 texts are waiting, the most is 3; try again later"
    status, answer = ask(application, encoded({"texts": ["a"] * 4}))  # more than the queue holds, but nothing waits
    assert (status, answer["message"]) == (503, "no answer within 1 seconds; try again later")
    assert ask(application, b"", method="GET", path="/ready")[1]["waiting_texts"] == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"texts": ["a"], "text": "b"}, "the key 'text' is unknown"),
        ({"text": "a"}, "not a JSON object with exactly one of the input fields texts, inputs,"),
        ([1], "not a JSON object"),
        ({"inputs": ["a", {"text": "b"}]}, "some items are rows with names, others are not"),
        ({"dataframe_split": [["a"]]}, "'dataframe_split' is not a JSON object"),
        ({"dataframe_split": {"columns": "text", "data": [["a"]]}}, "not a list of names"),
        ({"dataframe_split": {"columns": ["text"], "data": ["a"]}}, "item 0 is 'a', not a row"),
        ({"inputs": [{"review": "a"}, {}]}, "item 1 has no 'review', as others have"),
        ({"inputs": [{"review": 3}]}, "item 0 is 3, not a text"),
    ],
)
def test_other_json_is_refused(folder, body, reason):
    status, answer = ask(served(folder)[0], encoded(body))
    assert (status, reason in answer["message"]) == (400, True), answer


def test_it_describes_itself(folder):
    application, _ = served(folder)
    description = ask(application, b"", method="GET", path="/openapi.json")[1]
    for path in ("/predict", "/invocations"):
        content = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            status, answer = ask(application, encoded(example["value"]), path=path)
            assert (status, len(answer["predictions"]) > 0) == (200, True), example
    assert ask(application, encoded({"texts": [3]}))[0] == 400
    for path in ("/health", "/ping", "/ready"):
        assert ask(application, b"", method="GET", path=path)[0] == 200
    page = asyncio.run(exchange(application, b"", method="GET", path="/docs"))[1].decode()
    assert "https://" not in page.split("<script>")[0]  # what it loads comes from here
    metrics = asyncio.run(exchange(application, b"", method="GET", path="/metrics"))[1].decode()
    for line in ('sentiment_requests_total{status="400"} 1.0', "sentiment_waiting_texts 0.0", "process_resident"):
        assert line in metrics
    assert 'sentiment_predictions_total{label="' in metrics


@pytest.fixture
def name(store: Store, tmp_path: Path) -> str:  # noqa: ARG001  # the store that they are registered in
    """Name of a registered model with two versions, of different weights."""
    for number, errors in enumerate((0, 9)):
        outcome(workspace(tmp_path / str(number), errors=errors))
    return CONFIG.registry.model_name


def test_a_promoted_version_answers_from_then_on(store: Store, name: str, caplog: pytest.LogCaptureFixture) -> None:
    set_alias(store, name, "1", "champion")
    metrics = Metrics()
    live = LiveModel(f"models:/{name}@champion", metrics)
    first = live.current
    live.refresh()
    assert live.current is first
    set_alias(store, name, "2", "champion")
    live.refresh()
    assert "version 2 (champion" in live.current.title
    text = "a good film, number 1"
    assert asyncio.run(first.batcher([text])) != asyncio.run(
        live.current.batcher([text])
    )  # a request that began before
    store.client.delete_registered_model_alias(name, "champion")
    for _ in range(2):
        live.refresh()
    assert "version 2" in live.current.title
    assert [message for message in caplog.messages if "it stays" in message][1:] == []
    assert 'outcome="failed"' not in metrics.text().decode(), "no version was tried"


def test_a_model_that_was_made_anew_under_the_same_name_and_version_answers_from_then_on(
    store: Store, name: str
) -> None:
    for version in ("1", "2"):
        store.client.copy_model_version(f"models:/{name}/{version}", f"copy-of-{version}")
    set_alias(store, "copy-of-1", "1", "champion")
    live = LiveModel("models:/copy-of-1@champion", Metrics())
    first = live.current
    store.client.rename_registered_model("copy-of-1", "old")
    store.client.rename_registered_model("copy-of-2", "copy-of-1")
    set_alias(store, "copy-of-1", "1", "champion")
    live.refresh()
    assert live.current is not first
    text = "a good film, number 1"
    assert asyncio.run(first.batcher([text])) != asyncio.run(live.current.batcher([text]))


def test_the_next_version_comes_from_the_store_of_the_alias_whatever_params_say_by_then(
    store: Store, name: str, misleading: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_alias(store, name, "2", "champion")
    live = LiveModel(f"models:/{name}@champion", Metrics())
    monkeypatch.setenv("DVC_ROOT", str(misleading))  # whose version 1 is always wrong
    set_alias(store, name, "1", "champion")
    live.refresh()
    assert "version 1 (champion" in live.current.title
    (answer,) = asyncio.run(live.current.batcher(["a good film, number 1"]))
    assert answer.label == "positive"


def test_a_promoted_version_that_cannot_be_loaded_is_logged_once_and_tried_again_ever_later(
    store: Store, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_alias(store, name, "2", "champion")
    metrics = Metrics()
    live = LiveModel(f"models:/{name}@champion", metrics)
    tried: list[str] = []
    monkeypatch.setattr(
        live_model, "model_folder", lambda address, of: tried.append(address) or model_folder(address, of)
    )
    weights = list((tmp_path / "store").rglob("model.safetensors"))
    for file in weights:
        file.rename(file.with_suffix(".lost"))
    set_alias(store, name, "1", "champion")
    for _ in range(10):
        live.refresh()
    assert tried == [f"models:/{name}/1"] * 3
    assert len([message for message in caplog.messages if "it stays" in message]) == 1
    assert 'sentiment_reloads_total{outcome="failed"} 1.0' in metrics.text().decode()
    for file in weights:
        file.with_suffix(".lost").rename(file)
    live.refresh()
    assert "version 1 (champion" in live.current.title
