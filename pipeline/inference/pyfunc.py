"""The registered model: what MLflow runs to load and query it ("models from code", so that nothing is unpickled).

Holds a model folder as the artifact `model`. Takes texts, in the first column; gives `label` and `probability`.
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
"""What pandas calls the column of a plain list."""
SLICE = 8
"""Texts computed before another request has its turn: with fewer a text takes longer, with up to 64 as long."""


class SentimentModel(PythonModel):
    """A `Predictor` behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        self.predictor = Predictor.load(context.artifacts["model"], batch_size=SLICE)

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # mlflow allows it
        """Judge texts of any length; a missing one counts as empty.

        Returns:
            In the order of the texts: `label`, `positive` or `negative`, and `probability` of positive.

        Raises:
            MlflowException: the input is not texts; a server answers with the status 400 and the reason.
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
