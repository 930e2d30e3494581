"""The champion over HTTP: MLflow's real server on a model that `dvc repro` registered."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from benchmarks.serve import CHAMPION, render, served, trial
from pipeline.predict import load
from pipeline.serving.predictor import Predictor
from tests.conftest import Project

ODD = ["This film is a delight.", "", None, "a bore " * 50_000, "Ein wunderbarer Film", "最高の映画", "😀😀", "<br />"]


@pytest.fixture(scope="module")
def server(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{trained.root}/mlflow.db"}
    with served(CHAMPION, tmp_path_factory.mktemp("serve") / "server.log", environment) as address:
        yield address


@pytest.fixture(scope="module")
def model(trained: Project) -> Predictor:
    return load(trained.root / "artifacts" / "model")


def ask(server: str, body: Any) -> tuple[int, Any]:
    """Status and answer; a text is sent as it is."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    answer = requests.post(server, data=data, headers={"Content-Type": "application/json"}, timeout=60)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": ODD},
        {"instances": ODD},
        {"dataframe_split": {"columns": ["text"], "data": [[text] for text in ODD]}},
        {"dataframe_records": [{"text": text, "stars": 3} for text in ODD]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_texts_of_all_kinds_are_answered_as_predict_answers_them(server: str, model: Predictor, body: Any) -> None:
    status, answer = ask(server, body)
    assert status == 200
    expected = model(text or "" for text in ODD)
    assert [found["label"] for found in answer["predictions"]] == [prediction.label for prediction in expected]
    assert [found["probability"] for found in answer["predictions"]] == pytest.approx(
        [prediction.probability for prediction in expected], abs=1e-6
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": ["good", 3]}, "item 1 is 3, not a text; write it in quotes, or null for none"),
        ({"inputs": [True]}, "item 0 is True, not a text"),
        ({"dataframe_records": [{"review": "good"}]}, "the first column is 'review'; give the texts alone"),
        ({"dataframe_records": [{"id": "7", "text": "good"}]}, "the first column is 'id'"),
        ({"dataframe_records": [{"text": {"a": 1}}]}, "item 0 is {'a': 1}, not a text"),
        ({"inputs": []}, "missing inputs"),
        ({"inputs": None}, "Failed to parse input data"),
        ({"texts": ["good"]}, "exactly one of the input fields"),
        (["good"], "Received a list"),
        ("good", "valid JSON"),
        ("", "valid JSON"),
        (b'{"inputs": ["\xff"]}', "valid JSON"),
        ('{"inputs": ["\\ud800"]}', "surrogates not allowed"),
    ],
)
def test_what_is_no_text_gets_status_400_and_the_reason(server: str, body: Any, message: str) -> None:
    status, answer = ask(server, body)
    assert status == 400
    assert message in answer["message"]


def test_many_at_once_get_each_their_own_answer(server: str, model: Predictor) -> None:
    texts = [f"This film is {'a delight ' * i}{'a bore' * (i % 2)}" for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(server, {"inputs": [text]})[1]["predictions"][0], texts))
    assert [found["probability"] for found in answers] == pytest.approx(
        [prediction.probability for prediction in model(texts)], abs=1e-6
    )


def test_a_load_trial_counts_the_answers(model: Predictor) -> None:
    load = trial("bare", lambda: lambda text: model([text]), ["a delight", "a bore"], 2, 0.3)
    assert load.per_second > 10
    assert 0 < load.p50 <= load.p99
    assert "| bare | " in render([load], {"processor": "x", "cores": 2, "load_before": 0.0})
