"""The lines at the end of `make repro`."""

import json
import shutil

import pytest

from pipeline.evaluation.records import DetailsRecord
from pipeline.registry.outcome import RegistrationRecord
from pipeline.result import accuracy_line, model_line
from pipeline.tracking.provenance import changed_results
from tests.support.commands import SmallProject, judged, prepared

__all__ = ["judged", "prepared"]  # fixtures


def test_the_accuracy_stands_beside_the_baselines():
    both = DetailsRecord.model_validate({"test": {"accuracy": 0.93374}, "baseline": {"accuracy": 0.92108}})
    assert accuracy_line(both) == "accuracy on the test split: 0.9337 (baseline: 0.9211)"
    assert accuracy_line(DetailsRecord.model_validate({"test": {"accuracy": 0.5}})).endswith("split: 0.5000")


def test_the_model_has_its_place_and_the_reason():
    champion = RegistrationRecord(model="sentiment", version="3", alias="champion", reason="there was none before")
    assert model_line(champion) == "model sentiment: version 3 is champion: there was none before"
    failed = RegistrationRecord(model="sentiment", version=None, alias=None, reason="check calibrated failed")
    assert model_line(failed) == "model sentiment: not registered: check calibrated failed"


def test_changed_results_are_named(trained, tmp_path):
    project = trained.copy_to(tmp_path / "project")
    assert changed_results(project.root) == []
    metrics = project.root / "reports" / "metrics.json"
    metrics.write_text(metrics.read_text() + "\n")
    assert changed_results(project.root) == ["reports/metrics.json"]
    shown = project.run("python", "-m", "pipeline.result").stdout
    assert "git: reports/metrics.json changed" in shown and "accuracy on the test split: 1.0000" in shown
    assert "model sentiment: version 1 is champion: there was no champion before" in shown


@pytest.mark.parametrize("other", [{"model": "another"}, {"sha256": "of another"}, {"verdict": "of others"}, None])
def test_the_outcome_for_another_model_is_not_reported_as_that_of_this_one(judged, tmp_path, monkeypatch, capfd, other):
    """DVC restores artifacts/registered.json from its cache; reports/registration.json stays, or was never here."""
    shutil.copytree(judged, tmp_path / "project")
    project = SmallProject(tmp_path / "project", monkeypatch)
    assert project.run("register") == 0
    path = project.root / "reports" / "registration.json"
    if other is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | other))
    assert project.run("result") == 0
    shown = capfd.readouterr().out
    assert "model sentiment: DVC took its registration from the cache" in shown and "champion:" not in shown


def test_the_outcome_in_another_store_is_not_reported_as_that_in_this_one(judged, tmp_path, monkeypatch, capfd):
    shutil.copytree(judged, tmp_path / "project")
    project = SmallProject(tmp_path / "project", monkeypatch)
    assert project.run("register") == 0
    assert project.run("result") == 0
    assert "champion:" in capfd.readouterr().out
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@server")
    assert project.run("result") == 0
    shown = capfd.readouterr().out
    assert "registered in sqlite:///mlflow.db, but the store is http://***@server now; `python -m pipe" in shown
    assert "champion:" not in shown and "secret" not in shown
