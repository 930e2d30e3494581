"""Two commands at once in one project: each succeeds or gives the reason for refusing, and nothing is damaged."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.conftest import Project
from tests.support.pipeline_runs import edit
from tests.support.servers import MLflowServer
from tests.sweep.test_sweep import SWEEP, runs
from tests.torture.checks import leftovers, registry_faults

REPRO = ("dvc", "repro")
GRID = (*SWEEP, "model.hidden_dim=4,6")
OTHER_GRID = (*SWEEP, "model.hidden_dim=5,7")
REGISTER = ("python", "-m", "pipeline.register")
WAITS = (
    *("is busy, it is being blocked by", "Unable to acquire lock"),
    *("runs the pipeline in", "another process is running this sweep"),
)
"""Reasons for a refusal: those of DVC, the pipeline's lock and a sweep."""


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    """Copy the trained project and change its model, so that `dvc repro` has to train."""
    project = trained.copy_to(tmp_path / "project")
    edit(project, "conf/experiment/tiny.yaml", "hidden_dim: 16", "hidden_dim: 12")
    return project


def at_once(project: Project, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Start commands in a project at the same moment; return the exit code and the output of each."""
    return all_at_once([(project, command) for command in commands])


def all_at_once(commands: Sequence[tuple[Project, tuple[str, ...]]], **environment: str) -> list[tuple[int, str]]:
    """Start commands in several projects at the same moment; return the exit code and the output of each."""
    started = [project.start(*command, **environment) for project, command in commands]
    printed = [process.communicate(timeout=600)[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, printed, strict=True)]


def require_sound(project: Project, ended: list[tuple[int, str]]) -> None:
    """Check that each command succeeded or gave a reason, and that a last `dvc repro` leaves a complete project."""
    for code, text in ended:
        assert code == 0 or any(reason in text for reason in WAITS), text
        assert "Traceback" not in text
    assert any(code == 0 for code, _ in ended)
    project.run(*REPRO)
    assert "changed" not in project.run("dvc", "status", "train", "evaluate", "register").stdout
    assert leftovers(project.root) == []
    assert {run.info.status for stage in ("train", "sweep") for run in runs(project, stage)} == {"FINISHED"}


def test_two_repros(project: Project) -> None:
    require_sound(project, at_once(project, REPRO, REPRO))
    assert len(runs(project, "train")) == 2  # the first one, and one for the two commands


def test_a_repro_beside_a_sweep(project: Project) -> None:
    ended = at_once(project, REPRO, GRID)
    assert [code for code, _ in ended] == [0, 0], ended
    require_sound(project, ended)
    assert len(runs(project, "train")) == 4


def test_two_sweeps(project: Project) -> None:
    ended = at_once(project, GRID, OTHER_GRID)
    assert [code for code, _ in ended] == [0, 0], ended
    require_sound(project, ended)
    assert len(runs(project, "sweep")) == 2


def test_the_same_sweep_twice(project: Project) -> None:
    require_sound(project, at_once(project, GRID, GRID))
    (sweep,) = runs(project, "sweep")
    assert sweep.data.metrics["sweep/trials"] == 2


def test_two_registrations_in_an_empty_store(trained: Project, tmp_path: Path) -> None:
    project = trained.copy_to(tmp_path / "project")
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")
    ended = at_once(project, REGISTER, REGISTER)
    assert [code for code, _ in ended] == [0, 0], ended
    assert registry_faults(project.root) == []


def test_two_projects_that_register_one_model_on_a_server(trained: Project, tmp_path: Path) -> None:
    projects = [Project(tmp_path / name) for name in ("first", "second")]
    for project in projects:
        trained.copy_to(project.root)
    with MLflowServer(tmp_path, f"sqlite:///{tmp_path}/server.db") as server:
        ended = all_at_once([(project, REGISTER) for project in projects], MLFLOW_TRACKING_URI=server.uri)
        assert [code for code, _ in ended] == [0, 0], ended
        client = MlflowClient(server.uri)
        (version,) = client.search_model_versions("name='sentiment'")
        assert client.get_model_version_by_alias("sentiment", "champion").version == version.version
        model = ("--model", "models:/sentiment@champion")
        answer = projects[0].run("python", "-m", "pipeline.predict", *model, "ok", MLFLOW_TRACKING_URI=server.uri)
        assert answer.stdout.endswith("\tok\n")
