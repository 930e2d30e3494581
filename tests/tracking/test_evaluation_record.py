"""Results of an evaluation in the run of the training."""

from pathlib import Path

import numpy as np
import pytest
from mlflow.artifacts import load_text
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from pipeline.tracking import metric_points
from pipeline.tracking.description import NOTE_TAG
from pipeline.tracking.evaluation_record import headline_table, log_evaluation
from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store, default_tracking_uri
from tests.tracking.conftest import points, read


def test_an_evaluation_joins_the_ended_run_once(store: Store, tmp_path: Path) -> None:
    figures, report = tmp_path / "figures", tmp_path / "metrics.json"
    figures.mkdir()
    (figures / "roc.png").write_bytes(b"png")
    report.write_text("{}")
    with open_run(store, "run", {}) as run:
        pass
    before = read(store, run).info
    for _ in range(2):
        assert log_evaluation(store, run.run_id, {"test/accuracy": 0.9}, figures, [report])
    assert read(store, run).data.tags[NOTE_TAG].count("| accuracy&emsp; | 0.9000&emsp; |") == 1
    assert points(store, run.run_id, "test/accuracy") == [(0, 0.9)]
    after = read(store, run).info
    assert (after.status, after.end_time) == ("FINISHED", before.end_time)
    assert sorted(file.path for file in store.client.list_artifacts(run.run_id)) == ["figures", "reports"]
    assert not log_evaluation(store, "f" * 32, {"test/accuracy": 0.9}, figures, [])
    assert not log_evaluation(store, None, {"test/accuracy": 0.9}, figures, [])


def test_what_a_person_wrote_of_a_run_stays_above_its_figures(store: Store) -> None:
    with open_run(store, "run", {NOTE_TAG: "Mine."}) as run:
        pass
    log_evaluation(store, run.run_id, {"memory/recall": 0.5}, None, [])
    assert read(store, run).data.tags[NOTE_TAG] == "Mine."
    log_evaluation(store, run.run_id, {"test/accuracy": 0.8}, None, [])
    log_evaluation(store, run.run_id, {"test/accuracy": 0.9, "baseline/accuracy": 0.7}, None, [])
    description = read(store, run).data.tags[NOTE_TAG]
    assert description.startswith("Mine.")
    assert "| accuracy&emsp; | 0.9000&emsp; | 0.7000&emsp; |" in description
    assert "0.8000" not in description


def test_a_run_gets_the_headline_of_an_evaluation_and_its_tables(store: Store) -> None:
    with open_run(store, "run", {}) as run:
        pass
    details = {
        "test": {"accuracy": 0.9, "mcc": 0.8, "classes": {"good": {"f1": 0.9}}},
        "baseline": {"accuracy": 0.8, "f1": 0.8},
        "val": {"accuracy": 0.85},
        "intervals": {"test": {"accuracy": {"low": 0.8, "high": 1.0}}},
        "worst_slice": {"part": "length: over_800", "accuracy": 0.7, "reviews": 50},
        "parts": {"lstm": {"accuracy": 0.8, "adds": {"accuracy": 0.1}}, "joint": {"accuracy": 0.9}},
        "behaviour": {"negation": {"failure_rate": 0.5}},
    }
    for _ in range(2):
        log_evaluation(store, run.run_id, details, None, [], tables={"slices": {"part": ["a"], "accuracy": [0.5]}})
    assert set(read(store, run).data.metrics) == {"test/accuracy", "baseline/accuracy", "parts/lstm/accuracy"}
    with default_tracking_uri(store):
        table = load_text(f"{read(store, run).info.artifact_uri}/tables/slices.csv")
    assert table.split() == ["part,accuracy", "a,0.5"]


def test_another_evaluation_takes_the_place_of_the_earlier_one(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_run(store, "run", {}) as run:
        pass
    (tmp_path / "learning_curve.csv").write_text("")
    store.client.log_artifact(run.run_id, str(tmp_path / "learning_curve.csv"), "reports")  # of the training
    figures, report, speed = tmp_path / "figures", tmp_path / "report.html", tmp_path / "speed.json"
    for file in (figures / "roc.png", figures / "old.png", report, speed):
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    tables = {name: {"part": ["a"]} for name in ("slices", "behaviour")}
    both = {"test/accuracy": 0.9, "baseline/accuracy": 0.8}
    log_evaluation(store, run.run_id, both, figures, [report, speed], tables=tables)
    assert "earlier evaluation" not in caplog.text
    (figures / "old.png").unlink()
    speed.unlink()
    del tables["behaviour"]
    log_evaluation(store, run.run_id, {"test/accuracy": 0.9}, figures, [report, speed], tables=tables)
    assert {
        file.path
        for folder in ("figures", "tables", "reports")
        for file in store.client.list_artifacts(run.run_id, folder)
    } == {"figures/roc.png", "tables/slices.csv", "reports/report.html", "reports/learning_curve.csv"}
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.endswith("keeps metrics of an earlier evaluation, which this one did not compute: baseline/accuracy")


def test_files_that_a_store_does_not_remove_are_named(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_run(store, "run", {}) as run:
        pass
    log_evaluation(store, run.run_id, {}, None, [], tables={"slices": {"part": ["a"]}})
    monkeypatch.setattr(LocalArtifactRepository, "delete_artifacts", ArtifactRepository.delete_artifacts)
    assert log_evaluation(store, run.run_id, {}, None, [], tables={"metrics": {"part": ["a"]}})
    assert "keeps files of an earlier evaluation, tables/slices.csv: " in caplog.text


def test_the_new_figure_is_shown_though_the_clock_of_the_machine_is_slow(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run(store, "run", {}) as run:
        pass
    for number, accuracy in enumerate((0.9, 0.8, 0.7)):
        monkeypatch.setattr(metric_points, "get_current_time_millis", lambda now=10_000 - number: now)
        log_evaluation(store, run.run_id, {"test/accuracy": accuracy}, None, [])
        assert read(store, run).data.metrics == {"test/accuracy": accuracy}


def test_figures_without_intervals_stay_as_they_were() -> None:
    assert headline_table({"accuracy": 0.9}, {}).endswith("| accuracy&emsp; | 0.9000&emsp; | &emsp; |")


def test_a_curve_is_logged_once(store: Store) -> None:
    with open_run(store, "a run", {}) as run:
        pass
    for _ in range(2):
        log_evaluation(store, run.run_id, {}, None, [], {"curve": np.linspace(0, 1, 1500).tolist()})
    assert [point.step for point in store.client.get_metric_history(run.run_id, "curve")] == list(range(1500))
