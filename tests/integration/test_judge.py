"""Figures of `python -m pipeline.judge` beside those of MLflow's own evaluation of the same predictions."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from tests.support.commands import SmallProject, prepared, project
from tests.support.models import THREE, WORDS, word_model

__all__ = ["prepared", "project"]  # fixtures


class Answers(ClassifierMixin, BaseEstimator):
    """Classifier of scikit-learn whose features are the probabilities themselves."""

    classes_ = np.arange(2)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float64]:
        return features.to_numpy()

    def predict(self, features: pd.DataFrame) -> NDArray[np.int64]:
        return self.predict_proba(features).argmax(axis=1)


@pytest.mark.parametrize("classes", [("negative", "positive"), THREE])
def test_mlflow_evaluate_gives_the_same_figures(
    project: SmallProject, compose, classes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word_model(project.root / "m", compose, classes)
    random = np.random.default_rng(0)
    labels, told = random.integers(0, len(classes), (2, 200))
    told = np.where(random.random(200) < 0.7, labels, told)
    texts = [f"{WORDS[number]} film {'so ' * row}" for row, number in enumerate(told)]
    pd.DataFrame({"text": texts, "label": np.array(classes)[labels]}).to_csv(project.root / "in.csv", index=False)
    assert project.run("judge", "--model", "m", "--input", "in.csv", "--output", "out") == 0
    ours = json.loads((project.root / "out" / "details.json").read_text())["test"]

    answers = pd.read_csv(project.root / "out" / "predictions.csv")
    features = answers[[f"probability_{name}" for name in classes]].astype(np.float64)
    features = features.div(features.sum(axis=1), axis=0)
    target = answers["actual"].map(list(classes).index)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    model = Answers()
    model.classes_ = np.arange(len(classes))
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="answers", serialization_format="cloudpickle")
        theirs = mlflow.models.evaluate(
            logged.model_uri,
            features.assign(target=target),
            targets="target",
            model_type="classifier",
            evaluator_config={"log_model_explainability": False, "average": "macro" if len(classes) > 2 else "binary"},
        ).metrics
    f1 = "f1" if len(classes) == 2 else "macro_f1"
    for key, name in {"accuracy": "accuracy_score", f1: "f1_score", "log_loss": "log_loss"}.items():
        assert ours[key] == pytest.approx(theirs[name], abs=1e-6), key
