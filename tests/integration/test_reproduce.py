"""Runs of a real project, made again."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.test_pipeline import edit, store, training_runs


@pytest.fixture
def project(trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A trained project, and a folder for temporary files that shows what is left of them."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    shutil.copytree(trained.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def reproduce(project: Project, run: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "pipeline.reproduce", run, check=False)


def files(project: Project) -> dict[str, str]:
    """What every file of the project holds, but for what Python, DVC and git keep for themselves, and locks."""
    return {
        str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.root.rglob("*")
        if path.is_file()
        and not {"__pycache__", "tmp"} & set(path.parts[len(project.root.parts) :])
        and path.suffix != ".lock"
    }


def temporary_files(project: Project) -> list[Path]:
    return list((project.root.parent / "temporary").iterdir())


def test_a_run_is_confirmed_and_nothing_of_the_project_changes(project: Project) -> None:
    (run,) = training_runs(project)
    project.run("python", "-m", "pipeline.send")  # opens the store, which notices that it was moved
    before = files(project)
    found = reproduce(project, "models:/sentiment@champion")
    assert found.returncode == 0, found.stdout + found.stderr
    compared = [key for key in run.data.metrics if not key.startswith("speed/")]
    lines = found.stdout.splitlines()
    assert lines[-1] == f"reproduced: all {len(compared)} metrics equal"
    assert {line.split()[0] for line in lines[1 : len(compared) + 1]} == set(compared)
    weights = hashlib.sha256((project.root / "artifacts" / "model" / "model.safetensors").read_bytes()).hexdigest()
    assert [line.split()[-1] for line in lines if line.startswith("weights")] == [weights, weights]
    assert "fetching the corpus anew" not in found.stderr
    assert files(project) == before
    assert temporary_files(project) == []


def test_a_queued_experiment_whose_metric_was_changed_is_denied(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
    project.run("dvc", "push", "data.dvc")
    project.commit("A remote")
    project.run("dvc", "exp", "run", "--queue", "-S", "model.hidden_dim=4")
    project.run("dvc", "exp", "run", "--run-all")
    run = training_runs(project)[-1]
    assert run.data.params["model.hidden_dim"] == "4"
    loss = run.data.metrics["test/log_loss"]
    store(project).log_metric(run.info.run_id, "test/log_loss", loss + 1e-12, step=1)
    shutil.rmtree(project.root / ".dvc" / "cache")  # the remote alone has the data
    found = reproduce(project, run.info.run_id)
    assert found.returncode == 1
    assert "1 of" in (last := found.stdout.splitlines()[-1])
    assert last.startswith("not reproduced: ")
    assert f"metrics differ, most of all test/log_loss: {loss + 1e-12!r}, now {loss!r}; the weights are" in last
    assert "fetching the corpus anew" not in found.stderr
    assert not (project.root / ".dvc" / "cache").exists()


def test_without_the_data_the_corpus_is_fetched_anew_and_must_be_the_same(project: Project) -> None:
    project.run("git", "rm", "--quiet", "--cached", "reviews.csv")
    (project.root / ".git" / "info" / "exclude").write_text("reviews.csv\n")
    project.commit("The reviews are nobody's business")
    project.run("python", "-m", "pipeline.train", "model.hidden_dim=6", "training.epochs=1")
    trial = training_runs(project)[-1].info.run_id
    shutil.rmtree(project.root / ".dvc" / "cache")
    found = reproduce(project, trial)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "fetching the corpus anew" in found.stderr
    assert not any(line.startswith("test/") for line in found.stdout.splitlines())
    edit(project, "reviews.csv", "is pure joy.,good", "is sheer joy.,good")
    found = reproduce(project, trial)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.splitlines()[-1].startswith("error: the data of the run, ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_that_is_stopped_leaves_nothing(project: Project, number: signal.Signals, code: int) -> None:
    (run,) = training_runs(project)
    command = [sys.executable, "-m", "pipeline.reproduce", run.info.run_id]
    with subprocess.Popen(command, cwd=project.root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("MLflow run lstm" in line for line in process.stderr), "it ended before"
        assert temporary_files(project)
        os.kill(process.pid, number)
        said = process.stderr.read()
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert temporary_files(project) == []
    assert len(training_runs(project)) == 1
