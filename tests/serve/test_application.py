"""Both servers answer as `predict` does, and refuse bad requests with a status and the reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.predict import load
from pipeline.serve.application import LimitedApplication, application
from pipeline.serve.fast_application import fast_application
from pipeline.serve.limits import Limits
from pipeline.serve.live_model import LiveModel
from pipeline.serve.metrics import Metrics
from pipeline.serve.requests import Refusal, check_type
from pipeline.tables.joining import SEPARATOR
from tests.support.asgi import JSON, ask, encoded
from tests.support.commands import prepared
from tests.support.models import FIVE, SPAM, THREE, WORDS, word_model

__all__ = ["prepared"]  # a fixture

LIMITS = Limits(body=40_000, texts=5, characters=1000, seconds=1)
TWO = {"inputs": ["a delight", "a bore"]}


@pytest.fixture(scope="module")
def model(prepared):
    return prepared / "artifacts" / "model"


def fast(folder: Path, limits: Limits) -> Any:
    metrics = Metrics()
    return fast_application(LiveModel(str(folder), metrics), limits, metrics)


@pytest.fixture(scope="module", params=[application, fast], ids=["mlflow", "fast"])
def server(request) -> Callable[[Path, Limits], Any]:
    return request.param


@pytest.fixture(scope="module")
def served(server, model):
    return server(model, LIMITS)


def test_a_good_request_is_answered_as_predict_answers(served, model):
    body = encoded(TWO)
    expected = [{"label": label, "probability": probability} for label, probability, _ in load(model)(TWO["inputs"])]
    for pieces in ([body], [body[:9], body[9:]]):
        status, answer = ask(served, *pieces)
        assert status == 200
        assert answer["predictions"] == [{**one, "probability": pytest.approx(one["probability"])} for one in expected]


@pytest.mark.parametrize(("classes", "ordered"), [(THREE, False), (FIVE, True), (SPAM, False)])
def test_a_model_of_any_classes_is_served(server, compose, tmp_path, classes, ordered):
    folder = word_model(tmp_path / "model", compose, classes, ordered)
    served, texts = server(folder, LIMITS), list(WORDS[: len(classes)])
    expected = load(folder)(texts)
    status, answer = ask(served, encoded({"inputs": texts}))
    assert (status, [row["label"] for row in answer["predictions"]]) == (200, list(classes))
    assert [row["probability"] for row in answer["predictions"]] == pytest.approx([one[1] for one in expected])
    status, answer = ask(served, encoded({"inputs": texts, "params": {"output": "probabilities"}}))
    assert status == 200
    assert answer["predictions"] == [
        pytest.approx(dict(zip(classes, one.probabilities, strict=True)), abs=1e-9) for one in expected
    ]


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON", 'application/json; charset="UTF-8"'])
def test_json_is_accepted(served, content_type):
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
    assert "only JSON in UTF-8 is accepted" in answer["message"]
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
        ({"input": ["a", "b"], "text": "c"}, "the key 'input' is for language models"),
        (b"good", "not valid JSON in UTF-8: Expecting value"),
        (b"", "not valid JSON in UTF-8"),
        (b'{"inputs": ["a', "not valid JSON in UTF-8: Unterminated string"),
        (b'{"inputs": ["\\', "not valid JSON in UTF-8"),
        (json.dumps(TWO).encode("utf-16"), "not valid JSON in UTF-8: 'utf-8' codec"),
        (json.dumps(TWO).encode("utf-32-le"), "not valid JSON in UTF-8"),
        ({"inputs": ["good", 3]}, "item 1 is 3, not a text"),
        ({"instances": [{"text": "good"}, {"text": 3}]}, "item 1 is 3, not a text"),
        (form([["good"], [3]], columns=["text"]), "item 1 is 3, not a text"),
        ({"inputs": {"text": ["a", "b"]}}, "is given, not a list; give a plain list of texts"),
        (
            {"dataframe_records": [{"title": "a", "body": "b"}]},
            "2 columns ('title', 'body'), none of them named 'text'",
        ),
        (form([["a", "b"], ["c"]], columns=["text", "shop"]), "item 1 has 1 of 2 columns; give a value for each"),
        (form([["a"], ["b", "c"]], columns=["text"]), "item 1 has 2 of 1 columns"),
        (form([["a", "b"]], columns=["title", "body"]), "2 columns ('title', 'body'), none of them named 'text'"),
        ({"inputs": ["a"], "params": {"outptu": "label"}}, "the only parameter is 'output'"),
        (
            {"inputs": ["a"], "params": {"output": "class"}},
            "'output' is 'class'; it may be table, label, probability, ",
        ),
        ({"inputs": ["a"], "instances": ["b"]}, "exactly one of the input fields"),
        ({"inputs": ["good", "a\ud800b"]}, "item 1 has half a character: surrogates not allowed; send whole ones"),
        ({"inputs": "a\ud800b"}, "item 0 has half a character"),
        ({"dataframe_records": [{"text": "a", "note": "\udc00"}]}, "item 0 has half a character"),
        ({"instances": [{"text": "a", "\udc00": "b"}]}, "item 0 has half a character"),
        (form([["a\ud800b"]], columns=["text"]), "item 0 has half a character"),
    ],
)
def test_a_body_that_does_not_give_each_text_once_is_refused(served, body, reason):
    status, answer = ask(served, encoded(body))
    assert (status, reason in answer["message"]) == (400, True), answer


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"inputs": ["a"] * 6}, "6 texts, but at most 5 are accepted; send them in several requests"),
        (form([["a"]] * 6, columns=["text"]), "6 texts, but at most 5"),
        ({"dataframe_records": [{"text": "a"}] * 6}, "6 texts, but at most 5"),
        ({"inputs": ["a", "b" * 1001]}, "item 1 has 1001 characters, but at most 1000 are accepted; shorten it"),
        ({"inputs": "b" * 1001}, "item 0 has 1001 characters"),
        ({"instances": "b" * 1001}, "item 0 has 1001 characters"),
        (form([["b" * 1001, "a"]], columns=["note", "text"]), "item 0 has 1001 characters"),
        (form([["b" * 1001]], columns=["text"]), "item 0 has 1001 characters"),
        ({"dataframe_records": [{"text": "b" * 1001}]}, "item 0 has 1001 characters"),
        ({"dataframe_records": [{"text": "a", "n": [0] * 500}]}, "more than 500 values"),
        ({"inputs": ["b" * 40_000]}, "the body is larger than 40000 bytes"),
    ],
)
def test_a_body_that_is_too_large_is_refused_with_the_limit(served, body, reason):
    status, answer = ask(served, encoded(body))
    assert (status, reason in answer["message"]) == (413, True), answer


def test_a_body_is_refused_once_it_is_too_large(served):
    assert ask(served, length=40_001)[0] == 413  # before any of it has arrived
    assert ask(served, b"[" * 30_000, b"[" * 30_000, end=False)[0] == 413  # in chunks: before the last


def test_the_content_of_strings_is_not_counted(served):
    texts = ["[" * 500, "1" * 500, '\\"[[[' * 50, ",,,,"]
    assert ask(served, encoded({"inputs": texts}))[0] == 200


def test_a_table_with_an_index_is_accepted(served):
    status, answer = ask(served, encoded(form([["a"], ["b"]], index=[7, 9])))
    assert (status, len(answer["predictions"])) == (200, 2)


@pytest.mark.parametrize(
    "body",
    [
        form([[1, "a delight"], [2, "a bore"]], columns=["id", "text"]),
        {"dataframe_records": [{"id": 1, "text": "a delight"}, {"id": 2, "text": "a bore"}]},
        {"instances": [{"review": "a delight"}, {"review": "a bore"}]},
        {"inputs": [["a delight"], ["a bore"]]},
    ],
)
def test_the_texts_of_a_table_are_found(served, body):
    assert ask(served, encoded(body)) == ask(served, encoded(TWO))
    status, answer = ask(served, encoded(body | {"params": {"output": "label"}}))
    assert (status, [set(row) for row in answer["predictions"]]) == (200, [{"label"}, {"label"}])


def test_each_row_needs_the_column_that_the_model_was_trained_on(server, model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["corpus"] = {"text_column": "opinion"}
    (folder / "config.json").write_text(json.dumps(config))
    status, answer = ask(server(folder, LIMITS), encoded({"instances": [{"opinion": "a"}, {"opinon": "b"}]}))
    assert (status, answer["message"][:25]) == (400, "item 1 has no 'opinion', ")


HALVES = {"title": "b" * 600, "body": "b" * 600}
"""Texts that are as long as is allowed, but not together."""


def test_each_row_needs_all_columns_that_the_model_was_trained_on(server, model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["corpus"] = {"text_column": ["title", "body"]}
    (folder / "config.json").write_text(json.dumps(config))
    served = server(folder, LIMITS)
    rows = [{"title": "a delight", "body": None}, {"body": "b"}]
    status, answer = ask(served, encoded({"instances": rows}))
    assert (status, answer["message"][:23]) == (400, "item 1 has no 'title', ")
    status, answer = ask(served, encoded({"instances": [rows[0], {"title": 3, "body": "b"}]}))
    assert (status, answer["message"][:24]) == (400, "item 1 is 3, not a text;")
    for halves in ({"instances": [HALVES]}, form([list(HALVES.values())], columns=list(HALVES))):
        status, answer = ask(served, encoded(halves))
        assert (status, answer["message"][:26]) == (413, "item 0 has 1203 characters")
    status, answer = ask(served, encoded({"instances": [{"title": "a delight"}]}))
    assert (status, "1 column ('title'), none of them named 'body'; the model joins" in answer["message"]) == (
        400,
        True,
    )
    joined = ask(served, encoded({"inputs": [f"a delight {SEPARATOR} "]}))
    assert ask(served, encoded({"instances": rows[:1]})) == joined


def test_a_body_that_does_not_arrive_in_time_is_refused(served):
    status, answer = ask(served, b'{"inputs": [', end=False)
    assert (status, answer["message"]) == (408, "the body was not sent within 1 seconds")


def test_an_unexpected_error_of_a_request_reaches_no_other(caplog):
    async def broken(_scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b'"Internal Server Error"'})
        raise ZeroDivisionError  # as Starlette does; a server that sees it closes the connection

    served = LimitedApplication(broken, LIMITS, lambda: None, [["text"]])
    assert ask(served, encoded(TWO)) == (500, "Internal Server Error")
    assert "ZeroDivisionError" in caplog.text


def test_slices_change_no_answer(model):
    texts = [f"This film is {'a delight ' * (i % 9)}{'a bore' * (i % 2)}" for i in range(100)]
    whole, sliced = load(model).probabilities(texts), type(load(model)).load(model, batch_size=8).probabilities(texts)
    assert sliced == pytest.approx(whole, abs=1e-6)
