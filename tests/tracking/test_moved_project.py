"""A project that was moved, with its sqlite file and its artifacts."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.schema import Config
from pipeline.registry.packaging import Candidate
from pipeline.registry.versions import register_version
from pipeline.tracking.run import open_run
from pipeline.tracking.store import connect
from tests.support.models import THREE, word_model
from tests.tracking.conftest import tracking


def test_a_moved_project_finds_its_artifacts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (root / "old").mkdir()
    (root / "mlflow.db").rename(root / "old" / "mlflow.db")
    with open_run(connect(tracking("sqlite:///old/mlflow.db")), "run", {}) as run:
        run.log_text("hello", "greeting.txt")
    new = tmp_path_factory.mktemp("new") / "place"
    (root / "old").rename(new)
    store = connect(tracking(f"sqlite:///{new}/mlflow.db"))
    assert Path(store.client.download_artifacts(run.run_id, "greeting.txt")).read_text() == "hello"
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
    with open_run(connect(tracking("sqlite:///old/mlflow.db")), "run", {}) as run:
        run.log_text("hello", "greeting.txt")
    register_version(connect(tracking("sqlite:///old/mlflow.db")), "reviews", "", Candidate(model, run.run_id, {}, ""))
    new = tmp_path_factory.mktemp("new") / "place"
    old.rename(new)
    connect(tracking(f"sqlite:///{new}/mlflow.db"))
    with sqlite3.connect(new / "mlflow.db") as connection:
        content = "\n".join(connection.iterdump())
    assert content.count(str(new)) >= 4
    assert str(old) not in content
