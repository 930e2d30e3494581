"""A real MLflow server that goes away while a training runs."""

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.conftest import Project
from tests.support.servers import MLflowServer

LOG_EVERY = 10  # steps
REVIEWS, BATCH = 202, 16  # of the training split


@pytest.fixture(scope="module")
def project(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A trained project in which more is trained: another test may copy the shared one at any moment."""
    root = tmp_path_factory.mktemp("outage") / "project"
    return trained.copy_to(root)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflowServer]:
    folder = tmp_path_factory.mktemp("server")
    with MLflowServer(folder, f"sqlite:///{folder}/server.db") as running:
        yield running


def start_training(project: Project, server: MLflowServer, output: Path, *overrides: str) -> subprocess.Popen[str]:
    environment = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "1"}
    tracking = ["tracking.system_metrics=true", f"tracking.experiment={output.parent.name}"]
    command = ["python", "-m", "pipeline.train", *tracking, f"hydra.run.dir={output}", *overrides]
    return project.start(*command, **environment)


def read_until(training: subprocess.Popen[str], text: str) -> None:
    assert training.stdout
    seen = []
    for line in training.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError("".join(seen))


def only_run(server: MLflowServer, experiment_name: str) -> tuple[MlflowClient, Run]:
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(experiment_name)
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def assert_complete(server: MLflowServer, output: Path, epochs: int) -> None:
    """Check that the run is FINISHED and has every point of every curve once, and its artifacts."""
    client, run = only_run(server, output.parent.name)
    assert run.info.status == "FINISHED"
    curve = pd.read_csv(output / "learning_curve.csv")
    steps = epochs * math.ceil(REVIEWS / BATCH)
    history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    for key in ("train/loss", "train/lr", "train/grad_norm"):
        assert [point.step for point in history[key]] == list(range(LOG_EVERY - 1, steps, LOG_EVERY)), key
    by_epoch = [point.value for point in history["val/loss"][1:-1]]  # between the untrained and the kept model
    assert by_epoch == pytest.approx(list(curve["val_loss"]), abs=1e-6)
    for key, points in history.items():
        assert len({point.step for point in points}) == len(points), key
    system = [point.step for point in history["system/cpu_utilization_percentage"]]
    assert system == list(range(len(system)))
    assert run.data.metrics["val/loss"] in list(curve["val_loss"])
    files = {file.path for folder in ("model", "logs") for file in client.list_artifacts(run.info.run_id, folder)}
    assert files == {"model/model.safetensors", "model/vocab.json", "model/config.json", "logs/train.log"}


def test_a_server_that_comes_back_has_every_point_once(project: Project, server: MLflowServer, tmp_path: Path) -> None:
    output = tmp_path / "trial"
    training = start_training(project, server, output, "training.epochs=40")
    read_until(training, "epoch 2/40")
    server.kill()
    read_until(training, "epoch 4/40")
    server.start()
    log, _ = training.communicate(timeout=600)
    assert training.returncode == 0, log
    assert_complete(server, output, epochs=40)
    assert not list((project.root / ".unsent").iterdir())


def test_a_server_that_stays_away_costs_no_model_and_gets_all_later(
    project: Project, server: MLflowServer, tmp_path: Path
) -> None:
    output = tmp_path / "trial"
    training = start_training(project, server, output, "training.epochs=12", "tracking.server_timeout=1")
    read_until(training, "epoch 2/12")
    server.kill()
    log, _ = training.communicate(timeout=600)
    assert training.returncode == 0, log
    assert (output / "model" / "model.safetensors").exists()
    (line,) = [line for line in log.splitlines() if "incomplete" in line]
    assert "(it does not answer)" in line
    assert "`python -m pipeline.send` sends them later" in line
    assert "Traceback" not in log

    refused = project.run("python", "-m", "pipeline.send", check=False, MLFLOW_TRACKING_URI=server.uri)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "it does not answer" in refused.stderr
    server.start()
    project.run("python", "-m", "pipeline.send", MLFLOW_TRACKING_URI=server.uri)
    assert_complete(server, output, epochs=12)
    assert not list((project.root / ".unsent").iterdir())


@pytest.mark.parametrize("stage", ["evaluate", "register"])
def test_a_stage_that_needs_the_server_says_so_in_one_line(project: Project, stage: str) -> None:
    gone = "http://127.0.0.1:9"
    refused = project.run("python", "-m", f"pipeline.{stage}", check=False, MLFLOW_TRACKING_URI=gone)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"error: MLflow store {gone} cannot be used: it does not answer")
