"""The registered model, as MLflow calls it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModelContext

from pipeline.inference.pyfunc import SentimentModel
from pipeline.predict import load
from pipeline.tables.joining import SEPARATOR
from tests.support.models import FIVE, SPAM, THREE, WORDS, word_model


def pairs(folder, texts):
    """Label and probability of each text, as `predict` gives them."""
    return [(answer.label, answer.probability) for answer in load(folder)(texts)]


@pytest.fixture
def registered(saved):
    """The registered model with its model folder loaded."""
    model = SentimentModel()
    model.load_context(PythonModelContext({"model": str(saved[0])}, None))
    return model


def test_the_registered_model_takes_missing_texts_for_empty(saved, registered):
    texts = ["A good film.", None, float("nan"), pd.NA, "", "日本語 😀"]
    for column in (0, "text"):
        answers = registered.predict(pd.DataFrame({column: pd.Series(texts, dtype=object)}))
        expected = pairs(saved[0], ["A good film.", "", "", "", "", "日本語 😀"])
        assert list(answers.itertuples(index=False, name=None)) == expected


ROWS = {"country": ["de", "fr", "de"], "text": ["A good film.", "bad", None]}
TABLE = pd.DataFrame(ROWS, index=[7, 3, 3])


@pytest.mark.parametrize(
    "given",
    [
        *(TABLE, TABLE[["text"]], TABLE["text"], TABLE[["text"]].rename(columns={"text": "review"})),
        *(TABLE["text"].astype("category"), TABLE["text"].astype("string"), TABLE["text"].to_numpy()),
        *(TABLE["text"].array, TABLE["text"].tolist(), [[text] for text in ROWS["text"]]),
        *(TABLE.to_dict("records"), TABLE.to_dict("list")),
    ],
    ids=str,
)
def test_the_texts_of_each_input_are_found_and_its_index_is_kept(saved, registered, given):
    answers = registered.predict(given)
    expected = pairs(saved[0], ["A good film.", "bad", ""])
    assert list(answers.itertuples(index=False, name=None)) == expected
    kept = isinstance(given, pd.DataFrame | pd.Series)
    assert list(answers.index) == ([7, 3, 3] if kept else [0, 1, 2])


def test_one_text_is_one_text_and_no_text_is_no_answer(saved, registered):
    expected = pairs(saved[0], ["A good film."])
    for given in ("A good film.", {"text": "A good film."}, np.array("A good film.")):
        assert list(registered.predict(given).itertuples(index=False, name=None)) == expected
    for none in ([], pd.DataFrame(), TABLE[:0], pd.Series([], dtype=object)):
        assert len(registered.predict(none)) == 0


def test_one_column_of_the_answers_can_be_asked_for_at_each_call_or_once(saved, registered):
    both = registered.predict(TABLE)
    for column in ("label", "probability"):
        pd.testing.assert_series_equal(registered.predict(TABLE, {"output": column}), both[column])
        configured = SentimentModel()
        configured.load_context(PythonModelContext({"model": str(saved[0])}, {"output": column}))
        pd.testing.assert_series_equal(configured.predict(TABLE, {"output": None}), both[column])
    with pytest.raises(
        MlflowException, match="'output' is 'class'; it may be table, label, probability, probabilities"
    ):
        registered.predict(TABLE, {"output": "class"})


@pytest.mark.parametrize(("classes", "ordered"), [(THREE, False), (FIVE, True), (SPAM, False)])
def test_the_probability_of_each_class_can_be_asked_for(compose, tmp_path, classes, ordered):
    folder = word_model(tmp_path / "model", compose, classes, ordered)
    model = SentimentModel()
    model.load_context(PythonModelContext({"model": str(folder)}, None))
    table = pd.DataFrame({"text": [*WORDS[: len(classes)], None]}, index=range(10, 11 + len(classes)))
    each, both = model.predict(table, {"output": "probabilities"}), model.predict(table)
    assert list(each.columns) == list(classes)
    assert list(each.index) == list(both.index) == list(table.index)
    assert both["label"].tolist()[:-1] == each.idxmax(axis=1).tolist()[:-1] == list(classes)
    np.testing.assert_allclose(each.sum(axis=1), 1, atol=1e-6)
    expected = each[classes[1]] if len(classes) == 2 else each.max(axis=1)
    np.testing.assert_array_equal(both["probability"], expected)
    assert list(model.predict([], {"output": "probabilities"}).columns) == list(classes)


def test_a_table_is_read_by_the_column_that_the_model_was_trained_on(saved, tmp_path):
    folder = shutil.copytree(saved[0], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["corpus"]["text_column"] = "opinion"
    (folder / "config.json").write_text(json.dumps(config))
    model = SentimentModel()
    model.load_context(PythonModelContext({"model": str(folder)}, None))
    table = pd.DataFrame({"text": ["bad", "bad"], "opinion": ["A good film.", "not good"]})
    expected = pairs(folder, ["A good film.", "not good"])
    assert list(model.predict(table).itertuples(index=False, name=None)) == expected
    assert len(model.predict(table[["text"]])) == 2
    with pytest.raises(MlflowException, match="2 columns \\('a', 'b'\\), none of them named 'opinion'"):
        model.predict(pd.DataFrame({"a": ["x"], "b": ["y"]}))


def test_a_table_is_read_by_all_columns_that_the_model_was_trained_on(saved, tmp_path):
    folder = shutil.copytree(saved[0], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["corpus"]["text_column"] = ["title", "body"]
    (folder / "config.json").write_text(json.dumps(config))
    model = SentimentModel()
    model.load_context(PythonModelContext({"model": str(folder)}, None))
    table = pd.DataFrame({"body": ["long", None], "n": [1, 2], "title": ["A good film.", "bad"]}, index=[7, 9])
    answers = model.predict(table)
    expected = pairs(folder, [f"A good film. {SEPARATOR} long", f"bad {SEPARATOR} "])
    assert list(answers.itertuples(index=False, name=None)) == expected
    assert list(answers.index) == [7, 9]
    for columns, given in ((["n", "title"], r"2 columns \('n', 'title'\)"), (["title"], r"1 column \('title'\)")):
        with pytest.raises(MlflowException, match=given + ", none .* 'body'; .* 'title', 'body': give them all"):
            model.predict(table[columns])
    with pytest.raises(MlflowException, match=r"1 column \('n'\), none of them named 'title', 'body'; the model joins"):
        model.predict(table[["n"]])
    assert list(model.predict(table["title"])["label"]) == list(model.predict(table["title"].tolist())["label"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.DataFrame({"text": ["good", 3]}), "item 1 is 3, not a text"),
        ([["good"], [["bad"]]], r"item 1 is \['bad'\], not a text"),
        (["good", ["bad", "bad"]], "item 1 is .*, not a text"),
        ([["good", "bad"], ["long", "plot"]], "2 columns .*give one text a row"),
        (np.array([["good", "bad"]]), "2 columns .*give one text a row"),
        (np.array([[["good", "bad"]]]), "the input is no table"),
        (pd.DataFrame({"title": ["good"], "body": ["bad"]}), "2 columns .*name the column of the texts 'text'"),
        (pd.DataFrame([["good", "bad"]], columns=["text", "text"]), "2 columns are named 'text'"),
        ({"text": "good", "n": [1, 2]}, "some columns have one value, others a list"),
        ({"text": ["good"], "n": [1, 2]}, "the input is no table"),
        (3, "a int is given; give a list of texts"),
        ({"good", "bad"}, "a set is given"),
        (
            [{"text": "good"}, {"txet": "bad"}],
            "item 1 has no 'text', as others have; give one",
        ),
        ([{"n": 1}, {"text": "good", "n": 1}], "item 0 has no 'text'"),
        (pd.DataFrame(index=[1, 2]), "0 columns"),
    ],
)
def test_what_is_no_text_or_not_clear_is_refused(registered, given, message):
    with pytest.raises(MlflowException, match=message) as caught:
        registered.predict(given)
    assert caught.value.get_http_status_code() == 400
