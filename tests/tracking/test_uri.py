"""URI of the store."""

from pathlib import Path

import pytest

from pipeline.runtime.errors import PipelineError
from pipeline.tracking.store import connect
from pipeline.tracking.uri import tracking_uri
from tests.tracking.conftest import tracking


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("HTTP://Host:5000/A", "http://Host:5000/A"),
        ("Https://host", "https://host"),
        (" http://host\n", "http://host"),
        ("PostgreSQL://host/runs", "postgresql://host/runs"),
        ("SQLITE:///a.db", "sqlite:///{root}/a.db"),
        ("sqlite+pysqlite:///a.db", "sqlite:///{root}/a.db"),
        ("sqlite:///./a b.db", "sqlite:///{root}/a b.db"),
        ("sqlite:////elsewhere/a.db", "sqlite:////elsewhere/a.db"),
        ("sqlite:///~/a.db", "sqlite:///{home}/a.db"),
        ("databricks", "databricks"),
        ("  ", "sqlite:///{root}/mlflow.db"),
    ],
)
def test_a_uri_is_read_as_it_is_meant(given, read, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    expected = read.format(root=tmp_path, home=Path.home())
    assert tracking_uri(tracking(given)) == expected
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert tracking_uri(tracking()) == expected


def test_of_a_link_the_database_is_taken_that_it_leads_to(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "mlflow.db").symlink_to(tmp_path / "elsewhere" / "runs.db")
    assert tracking_uri(tracking()) == f"sqlite:///{tmp_path}/elsewhere/runs.db"


@pytest.mark.parametrize("uri", ["/data/MLruns", "mlruns", "file:///data/MLruns"])
def test_a_folder_is_refused(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(PipelineError, match=f"{uri}: MLflow keeps models in a database, not in a folder; let "):
        connect(tracking())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:", "SQLite://", "sqlite:///:memory:", "sqlite://host/a.db"])
def test_a_database_that_is_no_file_is_refused(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(
        PipelineError, match=r"a sqlite store is a file; let MLFLOW_TRACKING_URI or tracking\.uri name it"
    ):
        connect(tracking(uri))
    assert not list(tmp_path.iterdir())
