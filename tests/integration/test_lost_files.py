"""A server that has lost the files of a registered model."""

import shutil
from pathlib import Path

import pytest

from pipeline.registry.versions import download_model
from pipeline.tracking.store import connect
from tests.support.registration import CONFIG, aliases, outcome, workspace
from tests.support.servers import MLflowServer


def test_a_server_gets_lost_files_again_and_keeps_its_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has not mounted its disk also answers that there are no files, so the champion stays."""
    with MLflowServer(tmp_path, f"sqlite:///{tmp_path}/mlflow.db") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        store = connect(CONFIG.tracking)
        first = workspace(tmp_path / "first", errors=3)
        outcome(first)
        shutil.rmtree(tmp_path / "artifacts")
        result = outcome(workspace(tmp_path / "second", errors=0))
        assert (result["alias"], aliases(store)) == ("challenger", ("1", "2"))
        assert f"cannot be read: {server.uri} has not all of its files; run `python -m pip" in str(result["reason"])
        assert outcome(first)["reason"] == "version 1 is champion already"
        again = download_model(store, "sentiment", "1", tmp_path)
        assert sorted(path.name for path in again.iterdir()) == [
            *("README.md", "config.json", "model.safetensors", "vocab.json")
        ]
        assert outcome(workspace(tmp_path / "third", errors=5))["champion_value"] == 0.85
