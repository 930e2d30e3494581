"""The pipeline against the server of docs/team-server.md: PostgreSQL, proxied artifacts, passwords."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow.server import get_app_client

from pipeline.config.tracking import TrackingConfig
from pipeline.registry.versions import download_model, find_alias
from pipeline.tracking.store import connect
from tests.conftest import Project
from tests.integration.postgres import PASSWORD, postgres
from tests.support.servers import MLflowServer

__all__ = ["postgres"]  # a fixture

ADMIN = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "an admin's password"}
ANN = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "ann's long password"}
BEN = {"MLFLOW_TRACKING_USERNAME": "ben", "MLFLOW_TRACKING_PASSWORD": "ben's long password"}


@dataclass
class Team:
    """The server, and a trained project whose members use it."""

    server: MLflowServer
    project: Project

    def start(self, user: dict[str, str], *command: str) -> "subprocess.Popen[str]":
        return self.project.start("python", "-m", *command, MLFLOW_TRACKING_URI=self.server.uri, **user)


@pytest.fixture(scope="module")
def team(
    postgres: str,
    trained: Project,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("server")
    database = f"postgresql://mlflow:{quote(PASSWORD)}@{postgres}"
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = EDIT\ndatabase_uri = {database.replace('%', '%%')}/mlflow_auth\n"
    )
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN["MLFLOW_TRACKING_USERNAME"],
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN["MLFLOW_TRACKING_PASSWORD"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key",
    }
    with MLflowServer(folder, f"{database}/mlflow", "--app-name", "basic-auth", **settings) as server:
        with pytest.MonkeyPatch.context() as patch:
            for key, value in ADMIN.items():
                patch.setenv(key, value)
            accounts = get_app_client("basic-auth", tracking_uri=server.uri)
            for user in (ANN, BEN):
                accounts.create_user(*user.values())
        yield Team(server, trained.copy_to(folder / "project"))


def test_two_members_at_once_train_and_register(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = {
        name: team.start(user, "pipeline.train", f"seed={seed}", f"hydra.run.dir={tmp_path / name}")
        for seed, (name, user) in enumerate((("ann", ANN), ("ben", BEN)))
    }
    for trial in trials.values():
        log, _ = trial.communicate(timeout=300)
        assert trial.returncode == 0, log
        assert "long password" not in log
    registration = team.start(ANN, "pipeline.register")
    log, _ = registration.communicate(timeout=300)
    assert registration.returncode == 0, log

    for key, value in {**BEN, "MLFLOW_TRACKING_URI": team.server.uri}.items():
        monkeypatch.setenv(key, value)
    store = connect(TrackingConfig(experiment="sentiment", uri=None, system_metrics=False, server_timeout=5))
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    runs = store.client.search_runs([store.experiment_id], "tags.stage = 'train'")
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    written = {json.loads((tmp_path / name / "run.json").read_text())["run_id"]: tmp_path / name for name in trials}
    assert {run.info.run_id for run in runs} == set(written)
    for run_id, folder in written.items():
        assert [point.step for point in store.client.get_metric_history(run_id, "train/best_epoch")] == [0]
        assert len(store.client.get_metric_history(run_id, "val/loss")) == 1 + 2 + 1, (
            "untrained, epochs, the kept model"
        )
        fetched = store.client.download_artifacts(run_id, "model/model.safetensors", str(tmp_path))
        assert Path(fetched).read_bytes() == (folder / "model" / "model.safetensors").read_bytes()
    champion = find_alias(store, "sentiment", "champion")
    assert champion
    registered = download_model(store, "sentiment", champion, tmp_path / "champion")
    trained = team.project.root / "artifacts" / "model"
    assert all((registered / file.name).read_bytes() == file.read_bytes() for file in trained.iterdir())


def test_a_wrong_password_is_one_line_before_any_training(team: Team, tmp_path: Path) -> None:
    stranger = {**ANN, "MLFLOW_TRACKING_PASSWORD": "not ann's password"}
    trial = team.start(stranger, "pipeline.train", f"hydra.run.dir={tmp_path / 'trial'}")
    log, _ = trial.communicate(timeout=120)
    assert trial.returncode == 1
    (line,) = log.splitlines()
    assert line.startswith(f"error: MLflow store {team.server.uri} cannot be used: ")
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in line
    assert "ann's" not in line
    assert not (tmp_path / "trial" / "model").exists()
