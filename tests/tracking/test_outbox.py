"""Whatever a run logs is sent once, even if its process is killed or the run is deleted."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

import pipeline.tracking
from pipeline import send
from pipeline.runtime.errors import PipelineError
from pipeline.tracking.description import NOTE_TAG
from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store, connect
from pipeline.tracking.unsent import deleted_runs, send_unsent, unsent_folder_of
from tests.conftest import configuration
from tests.tracking.conftest import points, tracking

KILLED = """
import os, signal, sys, time
from pathlib import Path
from pipeline.config.tracking import TrackingConfig
from pipeline.tracking.run import open_run
from pipeline.tracking.store import connect
store = connect(TrackingConfig(experiment="reviews", uri=None, system_metrics=False, server_timeout=5))
with open_run(store, "run", {}, Path(sys.argv[1])) as run:
    run.log_params({"lr": 0.1})
    run.set_tags({"mlflow.note.content": "by the training"})
    run.log_text("hello", "notes/greeting.txt")
    for step in (1, 2, 3):
        run.log_metrics({"loss": 1 / step}, step)
    while len(store.client.get_metric_history(run.run_id, "loss")) < 3:
        time.sleep(0.01)
    run.log_metrics({"accuracy": 0.5}, 3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose training was killed after the store had taken most entries, which its journal still holds."""
    root = tmp_path_factory.mktemp("killed")
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-c", KILLED, str(root / "run_id")]
    training = subprocess.run(command, env={**environment, "DVC_ROOT": str(root)}, check=False, capture_output=True)
    assert training.returncode == -signal.SIGKILL, training.stderr
    return root


@pytest.fixture
def root(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, elsewhere."""
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def run_id(root: Path) -> str:
    """Id of the run of the training that was killed."""
    return (root / "run_id").read_text()


def waiting(root: Path) -> list[str]:
    return [path.name for path in (root / ".unsent").iterdir()]


def test_what_a_killed_training_left_is_sent_once_and_its_run_ends_killed(
    store: Store, root: Path, run_id: str
) -> None:
    assert waiting(root)
    assert send_unsent(store) == []
    run = store.client.get_run(run_id)
    assert (run.info.status, run.data.params) == ("KILLED", {"lr": "0.1"})
    assert run.info.end_time
    assert points(store, run_id, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert points(store, run_id, "accuracy") == [(3, 0.5)]
    assert [file.path for file in store.client.list_artifacts(run_id, "notes")] == ["notes/greeting.txt"]
    assert waiting(root) == []


def test_a_value_that_the_store_refused_at_first_is_sent_again_though_async_logging_is_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's variable would make the call return before the store has answered."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    importlib.reload(pipeline.tracking)  # as in a process whose user has set it
    log_batch, refused = SqlAlchemyStore.log_batch, []

    def away_at_first(*arguments: Any, **keywords: Any) -> None:
        if not refused:
            refused.append(arguments)
            raise MlflowException("away")
        log_batch(*arguments, **keywords)

    monkeypatch.setattr(SqlAlchemyStore, "log_batch", away_at_first)
    with open_run(store, "run", {}) as run:
        run.log_metrics({"loss": 0.5}, 1)
    assert refused and points(store, run.run_id, "loss") == [(1, 0.5)]


def test_the_run_of_a_killed_training_ends_though_the_experiment_is_another_by_now(store: Store, run_id: str) -> None:
    other = connect(tracking(store.uri, "other"))
    unlogged = store.client.create_run(store.experiment_id).info.run_id
    unsent_folder_of(unlogged).with_suffix(".lock").touch()
    assert send_unsent(other) == []
    assert [store.client.get_run(killed).info.status for killed in (run_id, unlogged)] == ["KILLED", "KILLED"]


def test_what_a_person_wrote_since_a_tag_was_sent_stays(store: Store, root: Path, run_id: str) -> None:
    journal = root / ".unsent" / run_id / "journal.jsonl"
    with journal.open("a") as file:
        file.write('{"tags": {"late": "by the training"}}\n{"files": "..", "to": null}\n')  # the second is refused
    killed_at = journal.stat().st_mtime
    for key in (NOTE_TAG, "late"):  # sent by the training, and by the first attempt after it was killed
        assert store.client.get_run(run_id).data.tags[key] == "by the training"
        store.client.set_tag(run_id, key, "by a person")
        assert send_unsent(store) == [journal.parent]
    tags = store.client.get_run(run_id).data.tags
    assert (tags[NOTE_TAG], tags["late"]) == ("by a person", "by a person")
    assert journal.stat().st_mtime == killed_at, "the run is said to have ended then"


@pytest.mark.parametrize("copied", [True, False])
def test_a_copy_of_a_project_leaves_its_run_alone_and_a_moved_one_does_not(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, copied: bool
) -> None:
    """Both use one store, as a server; the copy was made while the training ran."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(first))
    store = connect(tracking())
    with open_run(store, "run", {}, first / "run_id") as run:
        run.log_metrics({"loss": 0.5}, 1)
        shutil.copytree(first, second)
    if not copied:
        shutil.rmtree(first)
    monkeypatch.setenv("DVC_ROOT", str(second))
    store.client.update_run(run.run_id, status="RUNNING")  # as it was then
    left = send_unsent(store)
    assert store.client.get_run(run.run_id).info.status == ("RUNNING" if copied else "KILLED")
    with open_run(store, "run", {}, second / "run_id") as later:
        assert (later.run_id != run.run_id) == copied
    if copied:
        assert left == [second / ".unsent" / run.run_id]
        assert f"was not sent: the project in {first}, of which this one is a copy, sends it; delete" in caplog.text
        assert f"MLflow run {run.run_id}, in which this training began, is of the project in {first}" in caplog.text


def test_a_killed_trial_that_its_sweep_has_ended_stays_failed(store: Store, run_id: str) -> None:
    store.client.set_terminated(run_id, "FAILED")
    assert send_unsent(store) == []
    assert store.client.get_run(run_id).info.status == "FAILED"
    assert points(store, run_id, "accuracy") == [(3, 0.5)]


def test_a_resumed_training_sends_what_was_left_before_it_goes_on(store: Store, root: Path, run_id: str) -> None:
    with open_run(store, "run", {}, root / "run_id") as run:
        assert run.run_id == run_id
        for step in (2, 3, 4):
            run.log_metrics({"loss": 1 / step, "accuracy": 0.5}, step)
    assert points(store, run_id, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25)]
    assert points(store, run_id, "accuracy") == [(3, 0.5), (4, 0.5)]
    assert store.client.get_run(run_id).info.status == "FINISHED"


@pytest.fixture
def deleted(store: Store) -> str:
    """A run that was deleted while it was trained."""
    with open_run(store, "deleted", {}) as run:
        store.client.delete_run(run.run_id)
        run.log_metrics({"loss": 1.0}, 1)
    return run.run_id


def test_a_deleted_run_is_told_once(
    store: Store, root: Path, run_id: str, deleted: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with open_run(store, "another", {}):
            pass
    messages = [record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)]
    (line,) = [message for message in messages if f"MLflow run {deleted} was deleted" in message]
    assert "restore the run in the MLflow UI and run `python -m pipeline.send`, or remove it with `python -m" in line
    assert not [message for message in messages if "incomplete" in message or "was not sent" in message]
    assert waiting(root) == [deleted]
    assert store.client.get_run(run_id).info.status == "KILLED"  # what another had left was sent


def test_what_waits_for_a_deleted_run_is_removed_when_the_user_says_so(
    store: Store, root: Path, run_id: str, deleted: str
) -> None:
    config = configuration("tracking.experiment=reviews")
    for _ in range(2):  # the command tells the user each time
        with pytest.raises(PipelineError, match=f"run {deleted} was deleted from .*pipeline.send --discard`$"):
            send.main(config, discard=False)
    assert waiting(root) == [deleted]
    send.main(config, discard=True)
    assert waiting(root) == []
    assert points(store, run_id, "accuracy") == [(3, 0.5)]


def test_nothing_else_is_removed(store: Store, root: Path, run_id: str) -> None:
    journal = root / ".unsent" / run_id / "journal.jsonl"
    journal.write_text(journal.read_text().replace(store.lasting_name, "http://elsewhere"))
    with pytest.raises(PipelineError, match=r"^not sent: "):
        send.main(configuration("tracking.experiment=reviews"), discard=True)
    assert waiting(root) == [run_id]
    with open_run(store, "run", {}) as run:
        store.client.delete_run(run.run_id)
        assert deleted_runs(store, discard=True) == []
        assert (root / ".unsent" / run.run_id).exists()


def test_what_could_not_be_sent_for_a_deleted_run_is_sent_when_it_is_restored(store: Store, deleted: str) -> None:
    assert [folder.name for folder in send_unsent(store)] == [deleted]
    store.client.restore_run(deleted)
    assert send_unsent(store) == []
    assert points(store, deleted, "loss") == [(1, 1.0)]
    assert store.client.get_run(deleted).info.status == "FINISHED"


def test_what_waits_for_one_store_goes_to_no_other(
    store: Store, root: Path, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(root / "mlflow.db", root / "other.db")
    other = connect(tracking("sqlite:///other.db"))
    assert [folder.name for folder in send_unsent(other)] == [run_id]
    assert "it is for sqlite:///mlflow.db; set MLFLOW_TRACKING_URI to that" in caplog.text
    assert send_unsent(store) == []


@pytest.mark.parametrize("name", ["../../conf", ".", "link"])
def test_an_entry_that_names_a_folder_elsewhere_is_refused(
    store: Store, root: Path, run_id: str, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (root / "conf").mkdir()
    (root / "conf" / "config.yaml").touch()
    folder = root / ".unsent" / run_id
    (folder / "link").symlink_to(root / "conf")
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write(json.dumps({"files": name, "to": None}) + "\n")
    assert send_unsent(store) == [folder]
    assert f"its journal names {name!r}, which is not one of its files; delete" in caplog.text
    assert (root / "conf" / "config.yaml").exists()
    assert "config.yaml" not in {file.path for file in store.client.list_artifacts(run_id)}


def test_a_training_that_still_runs_sends_for_itself(store: Store, root: Path) -> None:
    with open_run(store, "run", {}) as run:
        assert send_unsent(store) == []
        assert store.client.get_run(run.run_id).info.status == "RUNNING"
        run.log_metrics({"loss": 1.0}, 1)
    assert points(store, run.run_id, "loss") == [(1, 1.0)]
    assert waiting(root) == []


def test_a_run_with_something_unsent_is_not_resumed(store: Store, root: Path, run_id: str) -> None:
    journal = root / ".unsent" / run_id / "journal.jsonl"
    journal.write_text(journal.read_text().replace(store.lasting_name, "http://elsewhere"))
    with pytest.raises(PipelineError, match="cannot be resumed"), open_run(store, "run", {}, root / "run_id"):
        pytest.fail("it was resumed")
    assert journal.exists()


@pytest.mark.parametrize("left", ["its lock", "an empty folder", "half a line"])
def test_a_run_killed_before_it_logged_anything_ends_killed_and_can_be_resumed(
    store: Store, root: Path, tmp_path: Path, left: str
) -> None:
    run_id = store.client.create_run(store.experiment_id).info.run_id
    folder = root / ".unsent" / run_id
    folder.with_suffix(".lock").touch()
    if left != "its lock":
        folder.mkdir()
    if left == "half a line":
        (folder / "journal.jsonl").write_text('{"store": "sql')
    assert send_unsent(store) == []
    assert store.client.get_run(run_id).info.status == "KILLED"
    assert waiting(root) == []
    (tmp_path / "record").write_text(run_id)
    with open_run(store, "run", {}, tmp_path / "record") as run:
        assert run.run_id == run_id


def test_what_the_store_refuses_holds_back_nothing_else(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_run(store, "run", {}) as run:
        run.log_params({"lr": 0.1, "++lr": 0.2})
        for step in (1, 2):
            run.log_metrics({"loss": 1 / step, "loss@home": 0.0}, step)
        run.set_tags({"a": "b"})
    stored = store.client.get_run(run.run_id)
    assert (stored.info.status, stored.data.params, stored.data.tags["a"]) == ("FINISHED", {"lr": "0.1"}, "b")
    assert points(store, run.run_id, "loss") == [(1, 1.0), (2, 0.5)]
    assert waiting(tmp_path) == []
    (line,) = [record.getMessage() for record in caplog.records if run.run_id in record.getMessage()]
    assert "refused 3 of the values that were logged, and the run is without them: the parameter ++lr (" in line
    assert "the metric loss@home (" in line and line.endswith(", 2 times")


def test_what_the_store_refuses_of_a_killed_training_holds_back_nothing_else(
    store: Store, root: Path, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (root / ".unsent" / run_id / "journal.jsonl").open("a") as journal:
        journal.write(
            "".join(
                f"{json.dumps(entry)}\n" for entry in ({"params": {"++lr": "1", "layers": "2"}}, {"tags": {"a": "b"}})
            )
        )
    assert send_unsent(store) == []
    stored = store.client.get_run(run_id)
    assert (stored.info.status, stored.data.params["layers"], stored.data.tags["a"]) == ("KILLED", "2", "b")
    assert f"MLflow run {run_id}: {store.name} refused 1 of the values" in caplog.text
