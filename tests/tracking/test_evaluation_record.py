"""Results of an evaluation in the run of the training."""

from pathlib import Path

import numpy as np

from pipeline.tracking.description import NOTE_TAG
from pipeline.tracking.evaluation_record import figures_table, log_evaluation
from pipeline.tracking.run import training_run
from pipeline.tracking.store import Store
from tests.tracking.conftest import points, read


def test_an_evaluation_joins_the_ended_run_once(store: Store, tmp_path: Path) -> None:
    figures, report = tmp_path / "figures", tmp_path / "metrics.json"
    figures.mkdir()
    (figures / "roc.png").write_bytes(b"png")
    report.write_text("{}")
    with training_run(store, "run", {}) as run:
        pass
    before = read(store, run).info
    for _ in range(2):
        assert log_evaluation(store, run.run_id, {"test/accuracy": 0.9}, figures, [report])
    assert read(store, run).data.tags[NOTE_TAG].count("| accuracy | 0.9000 |") == 1
    assert points(store, run.run_id, "test/accuracy") == [(0, 0.9)]
    after = read(store, run).info
    assert (after.status, after.end_time) == ("FINISHED", before.end_time)
    assert sorted(file.path for file in store.client.list_artifacts(run.run_id)) == ["figures", "reports"]
    assert not log_evaluation(store, "f" * 32, {"test/accuracy": 0.9}, figures, [])
    assert not log_evaluation(store, None, {"test/accuracy": 0.9}, figures, [])


def test_what_a_person_wrote_of_a_run_stays_above_its_figures(store: Store) -> None:
    with training_run(store, "run", {NOTE_TAG: "Mine."}) as run:
        pass
    log_evaluation(store, run.run_id, {"memory/recall": 0.5}, None, [])
    assert read(store, run).data.tags[NOTE_TAG] == "Mine."
    log_evaluation(store, run.run_id, {"test/accuracy": 0.8}, None, [])
    log_evaluation(store, run.run_id, {"test/accuracy": 0.9, "baseline/accuracy": 0.7}, None, [])
    description = read(store, run).data.tags[NOTE_TAG]
    assert description.startswith("Mine.")
    assert "| accuracy | 0.9000 | 0.7000 |" in description
    assert "0.8000" not in description


def test_figures_without_intervals_stay_as_they_were() -> None:
    assert figures_table({"accuracy": 0.9}, {}).endswith("| accuracy | 0.9000 |  |")


def test_a_curve_is_logged_once(store: Store) -> None:
    with training_run(store, "a run", {}) as run:
        pass
    for _ in range(2):
        log_evaluation(store, run.run_id, {}, None, [], {"curve": np.linspace(0, 1, 1500).tolist()})
    assert [point.step for point in store.client.get_metric_history(run.run_id, "curve")] == list(range(1500))
