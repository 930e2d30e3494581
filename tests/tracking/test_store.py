"""Stores that are opened, shared and refused, read back through MLflow's own client."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow.store.db.utils
import pytest

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store, connect
from tests.tracking.conftest import OPEN_AND_LOG, tracking


def test_processes_that_open_a_fresh_store_at_once_share_it(
    shared_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(shared_project))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = connect(tracking(experiment="shared"))
    runs = store.client.search_runs([store.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with subprocess.Popen([sys.executable, "-c", OPEN_AND_LOG, "killed"], cwd=WORKSPACE) as process:
        while not any(path.stat().st_size for path in tmp_path.rglob("mlflow.db")):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.kill()
    assert not (tmp_path / "mlflow.db").exists(), "mlflow does not go on with tables half made"
    store = connect(tracking())
    assert store.client.search_runs([store.experiment_id]) == []
    assert {path.name for path in tmp_path.iterdir()} == {
        "mlflow.db",
        "mlflow.db.lock",
        "mlflow.db.in_use",
        "mlartifacts",
    }


def test_runs_and_artifacts_stay_in_the_project_wherever_it_is_called_from(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    with open_run(connect(tracking()), "run", {}) as run:
        run.log_text("hello", "notes/greeting.txt")
    assert [path.read_text() for path in (root / "mlartifacts").rglob("greeting.txt")] == ["hello"]
    assert list(elsewhere.iterdir()) == []


def test_the_environment_names_the_store_before_the_configuration(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(root / "mlflow.db", tmp_path / "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/mlflow.db")
    store = connect(tracking("http://127.0.0.1:9"))
    assert store.uri == f"sqlite:///{tmp_path}/other/mlflow.db"
    assert store.client.get_experiment(store.experiment_id).artifact_location.endswith("/other/mlartifacts")


def test_a_registry_in_another_store_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{root}/mlflow.db")
    connect(tracking())
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "")  # as `export MLFLOW_REGISTRY_URI=` leaves it
    connect(tracking())
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match="MLFLOW_REGISTRY_URI names another store"):
        connect(tracking())


def test_a_server_that_refuses_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    with pytest.raises(PipelineError, match=r"MLflow store http://\*\*\*@127.0.0.1:9 cannot be used: it does not") as e:
        connect(tracking())
    assert "secret" not in str(e.value)
    assert "\n" not in str(e.value)


def test_a_server_that_keeps_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with pytest.raises(PipelineError, match="does not answer"):
            connect(tracking())


def test_what_is_no_database_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").write_text("not a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(PipelineError, match="file is not a database"):
        connect(tracking())


def test_a_deleted_experiment_is_named_with_the_remedy(store: Store) -> None:
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(PipelineError, match="mlflow experiments restore --experiment-id"):
        connect(tracking())


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_server_whose_experiment_has_a_folder_of_another_machine_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """As of `mlflow server` on top of a project's own store; on that machine the folder is there."""
    for name, location in (
        ("ann", f"{scheme}/home/ann/mlartifacts"),
        ("here", f"{scheme}{tmp_path}"),
        ("s3", "s3://b"),
    ):
        store.client.create_experiment(name, location)
    store.client.create_experiment("fresh", f"{scheme}{tmp_path}/{int(store.client.create_experiment('last')) + 1}")
    monkeypatch.setattr("pipeline.tracking.store.MlflowClient", lambda _uri: store.client)
    with pytest.raises(PipelineError, match="of http://server keeps its files in /home/ann/mlartifacts, a folder of"):
        connect(tracking("http://server", "ann"))
    for name in ("here", "s3", "fresh"):
        assert connect(tracking("http://server", name)).uri == "http://server"


def test_mlflows_database_log_still_has_its_name() -> None:
    """The store silences it by name: under another, every refusal of a database would print a traceback."""
    assert mlflow.store.db.utils._logger.name == "mlflow.store.db.utils"
