"""The registered model, as MLflow calls it."""

from types import SimpleNamespace

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline.inference.pyfunc import SentimentModel
from pipeline.predict import load


@pytest.fixture
def registered(saved):
    """The registered model with its model folder loaded."""
    model = SentimentModel()
    model.load_context(SimpleNamespace(artifacts={"model": str(saved[0])}))
    return model


def test_the_registered_model_takes_missing_texts_for_empty(saved, registered):
    texts = ["A good film.", None, float("nan"), pd.NA, "", "日本語 😀"]
    for column in (0, "text"):
        answers = registered.predict(pd.DataFrame({column: pd.Series(texts, dtype=object)}))
        expected = load(saved[0])(["A good film.", "", "", "", "", "日本語 😀"])
        assert list(answers.itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize(
    ("column", "texts", "message"),
    [("text", ["good", 3], "item 1 is 3, not a text"), ("id", ["7"], "the first column is 'id'.*'text'")],
)
def test_the_registered_model_refuses_what_is_no_text(registered, column, texts, message):
    with pytest.raises(MlflowException, match=message) as caught:
        registered.predict(pd.DataFrame({column: texts}))
    assert caught.value.get_http_status_code() == 400
