"""Corpora of several classes, from the user's file to a registered model that answers."""

import csv
import gzip
import json
import sys
from pathlib import Path

import mlflow.pyfunc
import pytest

from pipeline.predict import load
from tests.conftest import Project, copy_project, reviews

MIXED = ["It was neither here nor there.", "An ordinary evening at the cinema.", "One may see it, or not."]
"""Beginnings of reviews of the middle class."""


@pytest.fixture(scope="module", params=["three", "ordered"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    """A project trained on three classes, or on three in an order with titles and region vectors; their names."""
    project = copy_project(tmp_path_factory.mktemp(request.param))
    rows = [(text, {"good": 2, "bad": 0}[label]) for text, label in reviews()]
    rows += [(f"{MIXED[number % 3]} {text}", 1) for number, (text, _) in enumerate(reviews()) if number % 2]
    ordered = request.param == "ordered"
    if ordered:
        with gzip.open(project.root / "own.jsonl.gz", "wt", encoding="utf-8") as lines:
            lines.writelines(json.dumps({"title": "Seen", "body": text, "stars": n + 1}) + "\n" for text, n in rows)
    else:
        with (project.root / "own.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=";").writerows([("body", "stars"), *((text, n + 1) for text, n in rows)])
    classes = ["poor", "so so", "great"]
    experiment = project.root / "conf" / "experiment" / "tiny.yaml"
    values = experiment.read_text().replace("reviews.csv", "own.jsonl.gz" if ordered else "own.csv")
    values = values.replace("  keep_columns: [cinema]\n", f"  ordered: {str(ordered).lower()}\n")
    if ordered:
        values = values.replace("pretraining: none", "pretraining: two_view")
    values = values.replace("{negative: [bad], positive: [good]}", "{poor: ['1'], so so: '==2', great: '>=3'}")
    values = values.replace("review\n", "[title, body]\n" if ordered else "body\n").replace("verdict", "stars")
    experiment.write_text(values.replace("epochs: 2", "epochs: 12"))
    project.run("dvc", "repro")
    return project, classes


def test_a_model_of_several_classes_is_trained_checked_and_registered(project: tuple[Project, list[str]]) -> None:
    made, classes = project
    metrics = json.loads((made.root / "reports" / "details.json").read_text())
    assert list(metrics["test"]["classes"]) == classes
    assert metrics["test"]["accuracy"] > 0.8
    ordered = (made.root / "own.jsonl.gz").exists()
    assert ("quadratic_kappa" in metrics["test"]) == ordered
    assert (made.root / "artifacts" / "pretrained" / "two_view" / "weights.safetensors").exists() == ordered
    assert json.loads((made.root / "reports" / "registration.json").read_text())["alias"] == "champion"
    page = (made.root / "reports" / "report.html").read_text()
    assert all(name in page for name in classes)


def test_it_answers_alike_everywhere(
    project: tuple[Project, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, classes = project
    texts = [
        "This film is a delight.",
        "An ordinary evening at the cinema. This film is a bore.",
        "This film is a bore.",
    ]
    answers = load(made.root / "artifacts" / "model")(texts)
    great, so_so, poor = answers
    assert (great.label, poor.label) == ("great", "poor")
    assert so_so.probabilities[1] > max(great.probabilities[1], poor.probabilities[1])
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    made.run("python", "-m", "pipeline.predict", "--input", str(source), "--probabilities", "--output", str(output))
    for line, answer in zip(output.read_text().splitlines(), answers, strict=True):
        row = json.loads(line)
        assert row["label"] == answer.label
        probabilities = [row[f"probability_{name}"] for name in classes]
        assert probabilities == pytest.approx(list(answer.probabilities), abs=1e-5)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made.root / 'mlflow.db'}")
    monkeypatch.chdir(made.root)
    monkeypatch.setattr(sys, "path", [*sys.path])  # MLflow adds the code of the version to it
    registered = mlflow.pyfunc.load_model("models:/sentiment@champion")
    assert registered.predict(texts)["label"].tolist() == [answer.label for answer in answers]
    explained = made.run("python", "-m", "pipeline.explain", "--class", "so so", texts[0])
    assert "probability of so so after each word" in explained.stdout
