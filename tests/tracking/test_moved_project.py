"""A project that was moved, with its sqlite file and its artifacts."""

import gc
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.config.schema import Config
from pipeline.registry.packaging import Candidate
from pipeline.registry.versions import register_version
from pipeline.runtime.errors import PipelineError
from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store, connect
from tests.support.models import THREE, word_model
from tests.tracking.conftest import tracking


def greeted_run(folder: str) -> str:
    """Id of a finished run in the store of this folder, which is closed again."""
    with open_run(connect(tracking(f"sqlite:///{folder}/mlflow.db")), "run", {}) as run:
        run.log_text("hello", "greeting.txt")
    run_id = run.run_id
    del run
    gc.collect()  # a traceback may keep the store for a while
    return run_id


def test_a_moved_project_finds_its_artifacts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (root / "old").mkdir()
    (root / "mlflow.db").rename(root / "old" / "mlflow.db")
    run_id = greeted_run("old")
    new = tmp_path_factory.mktemp("new") / "place"
    (root / "old").rename(new)
    store = connect(tracking(f"sqlite:///{new}/mlflow.db"))
    assert Path(store.client.download_artifacts(run_id, "greeting.txt")).read_text() == "hello"
    with open_run(store, "run", {}) as later:
        later.log_text("again", "greeting.txt")
    assert len(list(new.rglob("greeting.txt"))) == 2
    assert not (root / "old").exists()


def test_no_table_of_mlflow_names_the_old_place(
    root: Path, fresh_database: Path, compose: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """MLflow's tables are not part of its interface: a release that keeps a path in another column fails here."""
    old, model = root / "old", word_model(root / "model", compose, THREE)
    old.mkdir()
    shutil.copy(fresh_database, old)
    run_id = greeted_run("old")
    register_version(connect(tracking("sqlite:///old/mlflow.db")), "reviews", "", Candidate(model, run_id, {}, ""))
    new = tmp_path_factory.mktemp("new") / "place"
    old.rename(new)
    connect(tracking(f"sqlite:///{new}/mlflow.db"))
    with sqlite3.connect(new / "mlflow.db") as connection:
        content = "\n".join(connection.iterdump())
    assert content.count(str(new)) >= 4
    assert str(old) not in content


def test_artifacts_stay_where_another_process_writes_them(root: Path) -> None:
    """One folder under two paths, as of a container and its host: each would tell the other a path it cannot see."""
    (root / "here").mkdir()
    (root / "mlflow.db").rename(root / "here" / "mlflow.db")
    greeted_run("here")
    (root / "here").rename(root / "there")
    open_store = connect(tracking("sqlite:///there/mlflow.db"))
    (root / "there").rename(root / "here")
    with pytest.raises(PipelineError, match=f"in use by .* its artifacts as {root}/there/mlartifacts; run"):
        connect(tracking("sqlite:///here/mlflow.db"))
    del open_store
    gc.collect()  # a traceback may keep it for a while
    assert str(root / "here") in experiment_location(connect(tracking("sqlite:///here/mlflow.db")))


def test_another_path_of_the_same_folder_changes_nothing(root: Path) -> None:
    (root / "here").mkdir()
    (root / "mlflow.db").rename(root / "here" / "mlflow.db")
    (root / "link").symlink_to(root / "here")
    recorded = experiment_location(connect(tracking("sqlite:///here/mlflow.db")))
    assert experiment_location(connect(tracking("sqlite:///link/mlflow.db"))) == recorded


def test_artifacts_elsewhere_are_not_taken_for_those_of_a_moved_project(root: Path) -> None:
    """As those of a server that keeps its runs in this file."""
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    client.create_experiment("reviews", "s3://bucket/mlartifacts")
    assert experiment_location(connect(tracking("sqlite:///mlflow.db"))) == "s3://bucket/mlartifacts"


def experiment_location(store: Store) -> str:
    return str(store.client.get_experiment(store.experiment_id).artifact_location)
