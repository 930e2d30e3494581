"""Runs of trainings, read back through MLflow's own client."""

import json
from pathlib import Path

import pytest

from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store
from tests.tracking.conftest import points, read


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        (None, "FINISHED", None),
        (ValueError("no reviews"), "FAILED", "ValueError: no reviews"),
        (KeyboardInterrupt(), "KILLED", None),
        (SystemExit(143), "KILLED", None),
    ],
)
def test_a_run_ends_as_the_training_did(
    store: Store, ending: BaseException | None, status: str, error: str | None
) -> None:
    try:
        with open_run(store, "run", {"corpus": "mine"}) as run:
            assert read(store, run).info.status == "RUNNING"
            if ending:
                raise ending
    except BaseException as caught:
        assert caught is ending
    stored = read(store, run)
    assert stored.info.status == status
    assert stored.data.tags.get("error") == error
    assert stored.data.tags["corpus"] == "mine"


def test_a_resumed_run_goes_on_without_a_point_twice(store: Store, tmp_path: Path) -> None:
    record = tmp_path / "run_id"
    with pytest.raises(ValueError, match="stop"), open_run(store, "run", {}, record) as first:
        first.log_params({"lr": 0.1})
        for step in (1, 2):
            first.log_metrics({"loss": 1 / step}, step)
        raise ValueError("stop")
    with open_run(store, "other name", {}, record) as second:
        stored = read(store, second)
        assert (stored.info.status, stored.data.tags.get("error")) == ("RUNNING", None)
        second.log_params({"lr": 0.2, "epochs": 3})
        for step in (2, 3):
            second.log_metrics({"loss": 1 / step, "accuracy": 0.5}, step)
    assert second.run_id == first.run_id
    assert points(store, second.run_id, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert points(store, second.run_id, "accuracy") == [(2, 0.5), (3, 0.5)]
    stored = read(store, second)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"lr": "0.1", "epochs": "3"}


def test_a_resumed_run_keeps_no_tag_that_only_its_earlier_attempt_had(store: Store, tmp_path: Path) -> None:
    record, of_trial = tmp_path / "run_id", {"sweep": "grid", "mlflow.parentRunId": "f" * 32, "trial.values": "{}"}
    for tags in (
        {"stage": "train", **of_trial},
        {"stage": "train"},
    ):  # a trial, and then `dvc repro` of the same values
        with pytest.raises(KeyboardInterrupt), open_run(store, "run", tags, record) as run:
            store.client.set_tag(run.run_id, "mine", "interesting")
            raise KeyboardInterrupt
        assert (of_trial.keys() & read(store, run).data.tags.keys()) == tags.keys() - {"stage"}
    assert read(store, run).data.tags["mine"] == "interesting"


def test_a_run_that_was_deleted_or_never_there_is_made_anew_and_this_is_said(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = tmp_path / "run_id"
    with open_run(store, "deleted", {}) as run:
        pass
    store.client.delete_run(run.run_id)
    for lost in (run.run_id, "f" * 32):
        record.write_text(lost)
        with open_run(store, "new", {}, record) as new:
            assert new.run_id != lost
        assert (
            f"MLflow run {lost}, in which this training began, is not in {store.name}: run {new.run_id} has nothing"
            in (caplog.text)
        )
        assert record.read_text() == new.run_id


def test_a_run_holds_its_dataset_parameters_and_files(store: Store, tmp_path: Path) -> None:
    digest = "0123456789abcdef0123456789abcdef.dir"
    (tmp_path / "figure.png").write_bytes(b"png")
    with open_run(store, "run", {}) as run:
        for _ in range(2):  # as after a resume
            run.log_dataset("mine", {"source": "my own files"}, digest, {"train": 8, "test": 2})
        run.log_params({f"key{i}": i for i in range(150)})
        run.log_artifact(tmp_path / "figure.png", "figures")
        run.log_dict({"python": "3"}, "environment.json")
    stored = read(store, run)
    (dataset,) = [entry.dataset for entry in stored.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest, json.loads(dataset.profile)) == ("mine", digest, {"train": 8, "test": 2})
    assert len(stored.data.params) == 150
    assert [file.path for file in store.client.list_artifacts(run.run_id, "figures")] == ["figures/figure.png"]
