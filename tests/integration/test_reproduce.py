"""Runs of a real project, reproduced."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.tracking.metric_points import defined_metrics
from tests.conftest import Project
from tests.support.pipeline_runs import edit, report, store, training_runs


@pytest.fixture
def project(trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A trained project, with a folder of its own for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return trained.copy_to(tmp_path / "project")


def reproduce(project: Project, run: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "pipeline.reproduce", run, check=False)


def files(project: Project) -> dict[str, str]:
    """Return a hash of each file of the project, except locks and what Python, DVC and git write for themselves."""
    return {
        str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.root.rglob("*")
        if path.is_file()
        and not {"__pycache__", "tmp"} & set(path.parts[len(project.root.parts) :])
        and path.suffix != ".lock"
    }


def temporary_files(project: Project) -> list[Path]:
    return list((project.root.parent / "temporary").iterdir())


def test_a_run_is_reproduced_and_nothing_in_the_project_changes(project: Project) -> None:
    (run,) = training_runs(project)
    project.run("python", "-m", "pipeline.send")  # the store notices that it was moved, and adapts
    before = files(project)
    ended = reproduce(project, "models:/sentiment@champion")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    details = defined_metrics(report(project, "details"))
    compared = [key for key in run.data.metrics | details if not key.startswith("speed/")]
    lines = ended.stdout.splitlines()
    assert lines[-1] == f"reproduced: all {len(compared)} metrics equal"
    assert {line.split("  ")[0] for line in lines[1 : len(compared) + 1]} == set(compared)
    weights = hashlib.sha256((project.root / "artifacts" / "model" / "model.safetensors").read_bytes()).hexdigest()
    assert [line.split()[-1] for line in lines if line.startswith("weights")] == [weights, weights]
    assert "downloading the corpus again" not in ended.stderr
    assert files(project) == before
    assert temporary_files(project) == []


def test_a_queued_experiment_whose_metric_was_edited_is_not_reproduced(project: Project, tmp_path: Path) -> None:
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
    ended = reproduce(project, run.info.run_id)
    assert ended.returncode == 1
    assert "1 of" in (last := ended.stdout.splitlines()[-1])
    assert last.startswith("not reproduced: ")
    assert f"metrics differ, most of all test/log_loss: {loss + 1e-12!r}, now {loss!r}; the weights are equal" in last
    assert "downloading the corpus again" not in ended.stderr
    assert not (project.root / ".dvc" / "cache").exists()


def test_without_the_data_the_corpus_is_downloaded_again_and_must_be_the_same(project: Project) -> None:
    project.run("git", "rm", "--quiet", "--cached", "reviews.csv")
    (project.root / ".git" / "info" / "exclude").write_text("reviews.csv\n")
    project.commit("Keep the reviews private")
    project.run("python", "-m", "pipeline.train", "model.hidden_dim=6", "training.epochs=1")
    trial = training_runs(project)[-1].info.run_id
    shutil.rmtree(project.root / ".dvc" / "cache")
    ended = reproduce(project, trial)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "downloading the corpus again" in ended.stderr
    assert not any(line.startswith("test/") for line in ended.stdout.splitlines())
    edit(project, "reviews.csv", "is pure joy.,good", "is sheer joy.,good")
    ended = reproduce(project, trial)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("error: the data of the run, ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_reproduction_leaves_nothing(project: Project, number: signal.Signals, code: int) -> None:
    (run,) = training_runs(project)
    command = [sys.executable, "-m", "pipeline.reproduce", run.info.run_id]
    with subprocess.Popen(command, cwd=project.root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("MLflow run lstm" in line for line in process.stderr), "it ended before"
        assert temporary_files(project)
        os.kill(process.pid, number)
        output = process.stderr.read()
    assert process.returncode == code, output
    assert "Traceback" not in output
    assert temporary_files(project) == []
    assert len(training_runs(project)) == 1
