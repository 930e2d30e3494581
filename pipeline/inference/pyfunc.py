"""The registered model as an MLflow pyfunc, from code ("models from code"), so that nothing is unpickled.

Its artifact `model` is a model folder. It takes texts, or a table with a column of texts, and returns a table with
`label` and `probability`; with the parameter `output` one of the two columns, or the probability of each class.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.inference.predictor import Predictor, text_or_empty
from pipeline.runtime.errors import PipelineError, listed
from pipeline.tables.joining import joined_text

OUTPUT = "output"
"""Parameter of `predict`, and key of the model's configuration (`model_config`), which holds its default."""
TABLE, PROBABILITIES = "table", "probabilities"
COLUMNS = ["label", "probability"]
OUTPUTS = (TABLE, *COLUMNS, PROBABILITIES)
TEXTS_PER_TURN = 8
"""Texts that are computed before the next request has its turn. Fewer make a text slower; more, up to 64, do not
make it faster."""

Answers = pd.DataFrame | pd.Series


class SentimentModel(PythonModel):
    """`Predictor` behind MLflow's pyfunc interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        self.predictor = Predictor.load(context.artifacts["model"], batch_size=TEXTS_PER_TURN)
        self._output = (context.model_config or {}).get(OUTPUT, TABLE)

    # MLflow warns of a type hint that it cannot make a schema from, unless it is a DataFrame.
    def predict(  # type: ignore[override]  # mlflow allows it
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Answers:
        """Classify texts of any length; a missing text counts as empty.

        Args:
            model_input: a text; a list, an array or a Series of texts; or a table, that is, a DataFrame, a list of
                rows, or a mapping of columns. The texts of a table are in the columns that the model was trained on,
                joined if there are several, or else in `text`, or else in the only column, unless the model was trained
                on several.
            params: `output`: `table`, `label`, `probability` or `probabilities`.

        Returns:
            a row for each text, in order and with the index of the input. `table` has the columns `label` and
            `probability` of `Prediction`; `label` and `probability` are one of these columns; `probabilities` has a
            column for each class.

        Raises:
            MlflowException: the input is not texts, or not clear; a server then answers with status 400 and the reason.
        """
        output = choose_output(params or {}, self._output)
        given = _as_columns(model_input, self.predictor.info.text_columns)
        try:
            texts = [
                joined_text([text_or_empty(_unwrapped(value), f"item {row}") for value in values])
                for row, values in enumerate(given.itertuples(index=False, name=None))
            ]
        except PipelineError as error:
            raise _refusal(str(error)) from None
        answers = self.predictor(texts)
        if output == PROBABILITIES:
            rows = [answer.probabilities for answer in answers]
            return pd.DataFrame(rows, columns=list(self.predictor.classes), index=given.index)
        table = pd.DataFrame([answer[:2] for answer in answers], columns=COLUMNS, index=given.index)
        return table if output == TABLE else table[output]


def choose_output(params: Mapping[str, Any], default: str = TABLE) -> str:
    """Return the form of the answers that the parameters of a prediction ask for.

    Raises:
        MlflowException: there is no such form.
    """
    output: str = params.get(OUTPUT) or default
    if output not in OUTPUTS:
        raise _refusal(f"the parameter {OUTPUT!r} is {output!r:.100}; it may be {', '.join(OUTPUTS)}")
    return output


def choose_columns(columns: list[Any], text_columns: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of the columns with the texts.

    Args:
        columns: names of the columns of a table.
        text_columns: columns that may hold the texts, one or several that are joined.

    Raises:
        MlflowException: they are not there, or not clear.
    """
    chosen = next((names for names in text_columns if all(name in columns for name in names)), None)
    named_several = len(text_columns[0]) > 1 and bool(columns) and isinstance(columns[0], str)
    if chosen is None and len(columns) == 1 and not named_several:
        return [0]
    if chosen is None:
        names = listed([str(name) for name in columns], limit=5)
        lacking = [name for name in text_columns[0] if name not in columns]
        remedy = f"give one text a row, or name the column of the texts {lacking[0]!r}"
        if len(text_columns[0]) > 1:
            remedy = f"the model joins the texts of {listed(text_columns[0])}: give them all, or whole texts in 'text'"
        given = f"{len(columns)} column{'s' if len(columns) != 1 else ''} ({names})"
        raise _refusal(f"the input has {given}, none of them named {listed(lacking)}; {remedy}")
    for name in chosen:
        if columns.count(name) > 1:
            raise _refusal(f"{columns.count(name)} columns are named {name!r}; give the texts in one")
    return [columns.index(name) for name in chosen]


def _as_columns(given: Any, text_columns: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return the texts of an input in one or several columns, with its index."""
    given = _unwrapped(given)
    if given is None or isinstance(given, str):
        return pd.Series([given], dtype=object).to_frame()
    if isinstance(given, pd.Series):
        return given.to_frame()
    rows: Sequence[Any] = ()
    if isinstance(given, list | tuple | np.ndarray | pd.Index | pd.api.extensions.ExtensionArray):
        rows = list(given)
        given = _table(rows)
    elif isinstance(given, Mapping):
        several = [pd.api.types.is_list_like(value) for value in given.values()]
        if any(several) and not all(several):  # pandas would repeat a single value
            raise _refusal("some columns have one value, others a list; give a list in each")
        given = _table(given if any(several) else [given])
    if not isinstance(given, pd.DataFrame):
        raise _refusal(f"a {type(given).__name__} is given; give a list of texts, a Series or a DataFrame")
    if not len(given) and given.columns.empty:
        return pd.Series([], dtype=object).to_frame()
    chosen = given.iloc[:, choose_columns(list(given.columns), text_columns)]
    for number, row in enumerate(rows):  # pandas fills a table with NaN, which would count as an empty text
        for name in chosen.columns:
            if isinstance(row, Mapping) and name not in row:
                raise _refusal(f"item {number} has no {name!r}, as others have; give one in each, or None for none")
    return chosen


def _table(values: Any) -> pd.DataFrame:
    try:
        return pd.DataFrame(values, dtype=object)
    except ValueError as error:
        raise _refusal(f"the input is no table ({error}); give a list of texts") from None


def _unwrapped(value: Any) -> Any:
    """Return the value of an array without dimensions, which MLflow makes of a single value in JSON."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _refusal(problem: str) -> MlflowException:
    return MlflowException(problem, error_code=INVALID_PARAMETER_VALUE)


set_model(SentimentModel())
