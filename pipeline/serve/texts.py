"""The texts of a request to the fast server, and its answers, in the forms of MLflow's server."""

import json
from collections.abc import Sequence
from typing import Any

from mlflow.exceptions import MlflowException

from pipeline.inference.predictor import Prediction
from pipeline.inference.pyfunc import COLUMNS, PROBABILITIES, TABLE, choose_columns, choose_output
from pipeline.serve.requests import PARAMS_KEY, TABLE_KEY, TEXT_KEYS, Refusal, input_items, row_texts
from pipeline.tables.joining import joined_text


def requested_texts(payload: Any, text_columns: Sequence[Sequence[str]]) -> list[str]:
    """Return the texts of a request, as `SentimentModel` reads them; a missing one is empty.

    Args:
        payload: JSON that `check_body` has accepted.
        text_columns: as for `check_body`.

    Raises:
        Refusal: the JSON is not of one of the forms.
    """
    key = _input_field(payload)
    names = _table_columns(payload[key]) if key == TABLE_KEY else None
    return _texts_of_items(input_items(key, payload[key]), names, text_columns)


def wanted_output(payload: Any) -> str:
    """Return the form of the answers that a request asks for, as `SentimentModel.predict` does.

    Raises:
        Refusal: there is no such form.
    """
    try:
        return choose_output(payload.get(PARAMS_KEY, {}))
    except MlflowException as error:
        raise Refusal(400, str(error.message)) from None


def answer_body(predictions: Sequence[Prediction], classes: Sequence[str], output: str) -> bytes:
    """Return the JSON that answers a request, as MLflow's server writes it."""
    rows: list[dict[str, Any]]
    if output == PROBABILITIES:
        rows = [dict(zip(classes, prediction.probabilities, strict=True)) for prediction in predictions]
    else:
        names = COLUMNS if output == TABLE else [output]
        rows = [{name: getattr(prediction, name) for name in names} for prediction in predictions]
    return json.dumps({"predictions": rows}).encode()


def _input_field(payload: Any) -> str:
    """Return the only key of a request that holds texts."""
    keys: list[str] = list(payload) if isinstance(payload, dict) else []
    text_keys = [key for key in keys if key in TEXT_KEYS]
    if len(text_keys) != 1:
        allowed = ", ".join(TEXT_KEYS)
        raise Refusal(400, f"the body is not a JSON object with exactly one of the input fields {allowed}")
    for key in keys:
        if key not in (*TEXT_KEYS, PARAMS_KEY):
            raise Refusal(400, f"the key {key!r:.100} is unknown; beside the texts only {PARAMS_KEY!r} may be given")
    return text_keys[0]


def _table_columns(table: Any) -> list[str] | None:
    """Return the names of a table's columns, of which each row has a value; None if it names none."""
    if not isinstance(table, dict):
        raise Refusal(400, f"{TABLE_KEY!r} is not a JSON object; give the texts as [[text], …] under 'data' in it")
    names = table.get("columns")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal(
            400, f"the 'columns' are {names!r:.100}, not a list of names; give a name for each value of a row"
        )
    for number, row in enumerate(table["data"]):
        if not isinstance(row, list):
            raise Refusal(400, f"item {number} is {row!r:.100}, not a row; give a list with a value for each column")
    return names


def _texts_of_items(items: list[Any], names: list[str] | None, text_columns: Sequence[Sequence[str]]) -> list[str]:
    """Return the text of each item: a text, a list of one, or a row by column, whose text columns are joined.

    Args:
        items: the items, all in one form.
        names: names of the columns of a table; None to take them from the rows.
        text_columns: as for `check_body`.
    """
    rows = [item for item in items if isinstance(item, dict)]
    if len(rows) < len(items):
        if rows:
            raise Refusal(400, "some items are rows with names, others are not; give all in one form")
        return [(item[0] if isinstance(item, list) else item) or "" for item in items]
    if names is None:
        names = list(dict.fromkeys(name for row in rows for name in row))
    if not rows and not names:
        return []
    try:
        columns = [names[place] for place in choose_columns(names, text_columns)]
    except MlflowException as error:
        raise Refusal(400, str(error.message)) from None
    # `check_body` has checked the columns of the training alone; here it may also be the only column
    return [joined_text(row_texts(number, row, columns)) for number, row in enumerate(rows)]
