"""The registered model: what MLflow runs to load and query it ("models from code", so that nothing is unpickled).

Holds a model folder as the artifact `model`. Takes texts, in the first column; gives `label` and `probability`.
"""

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.serving.predictor import Predictor


class SentimentModel(PythonModel):
    """A `Predictor` behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        self.predictor = Predictor.load(context.artifacts["model"])

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:  # type: ignore[override]  # mlflow allows it
        """Judge texts of any length; a missing one counts as empty.

        Returns:
            In the order of the texts: `label`, `positive` or `negative`, and `probability` of positive.
        """
        texts = ["" if pd.isna(text) else str(text) for text in model_input.iloc[:, 0]]
        probabilities = self.predictor.probabilities(texts)
        labels = self.predictor.labels(probabilities)
        return pd.DataFrame({"label": labels, "probability": probabilities.astype("float64")})


set_model(SentimentModel())
