"""A fresh store for each test of the tracking room."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import Run as StoredRun

from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.paths import WORKSPACE
from pipeline.tracking.run import Run
from pipeline.tracking.store import Store, connect
from tests.conftest import made_once

OPEN_AND_LOG = """
import sys
from pipeline.config.tracking import TrackingConfig
from pipeline.tracking.run import open_run
from pipeline.tracking.store import connect
store = connect(TrackingConfig(experiment="shared", uri=None, system_metrics=False, server_timeout=5))
with open_run(store, sys.argv[1], {}) as run:
    run.log_metrics({"loss": 1.0}, 0)
"""


def tracking(uri: str | None = None, experiment: str = "reviews") -> TrackingConfig:
    return TrackingConfig(experiment=experiment, uri=uri, system_metrics=False, server_timeout=5)


@pytest.fixture(scope="session")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project root in whose fresh store four processes have each made a run at the same moment."""
    return made_once(tmp_path_factory, "a project", _log_at_once)


def _log_at_once(root: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    environment |= {"DVC_ROOT": str(root), "PYTHONPATH": str(WORKSPACE)}
    command = [sys.executable, "-c", OPEN_AND_LOG]
    processes = [
        subprocess.Popen([*command, str(i)], cwd="/", env=environment, stderr=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors


@pytest.fixture
def root(shared_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Project root with a copy of that store."""
    shutil.copy(shared_project / "mlflow.db", tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def store(root: Path) -> Store:
    return connect(tracking(f"sqlite:///{root}/mlflow.db"))


def read(store: Store, run: Run) -> StoredRun:
    return store.client.get_run(run.run_id)


def points(store: Store, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.client.get_metric_history(run_id, key)]
