"""The registered model as an MLflow pyfunc, from code ("models from code"), so that nothing is unpickled.

Its artifact `model` is a model folder. It takes texts in the first column and returns `label` and `probability`.
"""

import math

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.inference.predictor import Predictor

COLUMN = "text"
UNNAMED = 0
"""Name that pandas gives to the column of a plain list."""
SLICE = 8
"""Texts that are computed before the next request has its turn. Fewer make a text slower; more, up to 64, do not
make it faster."""


class SentimentModel(PythonModel):
    """`Predictor` behind MLflow's pyfunc interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        self.predictor = Predictor.load(context.artifacts["model"], batch_size=SLICE)

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # mlflow allows it
        """Classify texts of any length; a missing text counts as empty.

        Returns:
            a row for each text, in order: `label` (`positive` or `negative`) and `probability` of `positive`.

        Raises:
            MlflowException: the input is not texts; a server then answers with status 400 and the reason.
        """
        name = model_input.columns[0]
        if name not in (UNNAMED, COLUMN):
            raise _refusal(f"the first column is {name!r}; give the texts alone, in a column named {COLUMN!r}")
        texts = [_text(row, value) for row, value in enumerate(model_input[name])]
        return pd.DataFrame(self.predictor(texts), columns=["label", "probability"])


def _text(row: int, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    raise _refusal(f"item {row} is {value!r:.100}, not a text; write it in quotes, or null for none")


def _refusal(problem: str) -> MlflowException:
    return MlflowException(problem, error_code=INVALID_PARAMETER_VALUE)


set_model(SentimentModel())
