"""The folder that MLflow stores for a version, as MLflow loads it."""

import sys

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline.registry.packaging import Candidate, package_model
from tests.support.models import THREE, WORDS, word_model


def test_mlflow_evaluates_a_model_of_several_classes(compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # MLflow adds the code of the version to it
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    folder = word_model(tmp_path / "model", compose, THREE)
    (tmp_path / "scratch").mkdir()
    package = package_model(Candidate(folder, "0" * 32, {}, "a card"), f"m-{'0' * 32}", tmp_path / "scratch")
    table = pd.DataFrame({"text": [*WORDS[:3], *WORDS[:3]], "stars": [*THREE, *THREE[:2], THREE[0]]})
    with mlflow.start_run():
        evaluated = mlflow.models.evaluate(
            str(package), table, targets="stars", model_type="classifier", model_config={"output": "label"}
        )
    assert evaluated.metrics["accuracy_score"] == pytest.approx(1 - 1 / len(table))
    loaded = mlflow.pyfunc.load_model(str(package))
    assert list(loaded.predict(table, params={"output": "probabilities"}).columns) == list(THREE)
    signature = loaded.metadata.signature
    assert signature.inputs.to_dict() == [{"type": "string", "name": "text", "required": True}]
    assert signature.outputs.input_names() == ["label", "probability"]
    # the names bind nobody: MLflow leaves lists and tables to the model, which reads or refuses them
    assert list(loaded.predict(WORDS[:3])["label"]) == list(loaded.predict({"text": WORDS[:3]})["label"])
    with pytest.raises(MlflowException, match="none of them named 'text'"):
        loaded.predict(pd.DataFrame({"title": ["good"], "body": ["bad"]}))
