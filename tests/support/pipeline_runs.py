"""Runs of the whole pipeline in a copy of the project, and what they left."""

import json

import pytest
from mlflow import MlflowClient

from tests.conftest import Project

STAGES = ["compose", "download", "data.dvc", "preprocess", "pretrain", "pseudo_label", "train", "evaluate", "register"]


def stages_run(output: str) -> list[str]:
    """The stages DVC ran, in order; an import is reported by its file."""
    lines = [line.split("'") for line in output.splitlines() if line.startswith(("Running stage", "Importing"))]
    return ["data.dvc" if parts[0].startswith("Importing") else parts[1] for parts in lines]


def store(project: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")


def training_runs(project: Project):
    client = store(project)
    experiment = client.get_experiment_by_name("sentiment")
    return client.search_runs([experiment.experiment_id], "tags.stage = 'train'", order_by=["start_time"])


def report(project: Project, name: str):
    return json.loads((project.root / "reports" / f"{name}.json").read_text())


@pytest.fixture
def copy(trained, tmp_path) -> Project:
    """A trained project to change; its MLflow store moved along."""
    return trained.copy_to(tmp_path / "project")


def edit(project: Project, file: str, old: str, new: str) -> None:
    path = project.root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
