"""Sweeps on a real SLURM cluster."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun

from tests.conftest import Project, copy_project
from tests.integration.slurm import output, slurm, wait_until

__all__ = ["slurm"]

ENDLESS = 2000
"""Epochs of a trial that the test stops."""


@pytest.fixture(scope="module")
def prepared(slurm: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:  # noqa: ARG001 skip first
    """A project whose dataset is prepared."""
    project = copy_project(tmp_path_factory.mktemp("cluster"))
    project.run("dvc", "repro", "pretrain")
    return project


@pytest.fixture
def project(prepared: Project, tmp_path: Path) -> Project:
    """A copy of the project without an MLflow store."""
    shutil.copytree(prepared.root, tmp_path / "project", symlinks=True)
    for path in (tmp_path / "project").glob("mlflow.db*"):
        path.unlink()
    return Project(tmp_path / "project")


@contextmanager
def sweep(project: Project, environment: dict[str, str], *overrides: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a sweep on the cluster, with its output in the file `sweep.out`; kill it at the end of the block."""
    command = [sys.executable, "-m", "pipeline.train", "-m", "hydra/launcher=slurm", *overrides]
    with (project.root / "sweep.out").open("w") as log:
        process = subprocess.Popen(command, cwd=project.root, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def by_epochs(project: Project) -> dict[int, StoredRun]:
    """Return the runs of the store by their configured number of epochs, which differs between trials."""
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sentiment")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return {int(run.data.params["training.epochs"]): run for run in runs if "training.epochs" in run.data.params}


def job_in_training(project: Project, epochs: int, sweeping: "subprocess.Popen[bytes]") -> str:
    """Wait until a trial has a checkpoint of its own (its metrics come first); return its job."""

    def trains() -> bool:
        assert sweeping.poll() is None, lines(project)
        if not any(project.root.glob(".checkpoints/*/last.ckpt")):  # the sweep may be creating the store
            return False
        run = by_epochs(project).get(epochs)
        assert run is None or run.info.status in {"RUNNING", "SCHEDULED"}, f"the trial ended: {lines(project)}"
        return run is not None and run.info.run_id in with_checkpoint(project)

    wait_until(trains, f"the trial of {epochs} epochs")
    return by_epochs(project)[epochs].data.tags["slurm.job"]


def with_checkpoint(project: Project) -> set[str]:
    """Return the ids of the runs that have a checkpoint; a trial that ends meanwhile takes its folder away."""
    runs = set()
    for checkpoint in project.root.glob(".checkpoints/*/last.ckpt"):
        with suppress(FileNotFoundError):
            runs.add((checkpoint.parent / "run_id").read_text())
    return runs


def lines(project: Project) -> list[str]:
    return (project.root / "sweep.out").read_text().splitlines()


def test_a_killed_job_is_a_failed_trial_and_the_others_finish(slurm: dict[str, str], project: Project) -> None:
    with sweep(project, slurm, f"training.epochs={ENDLESS},1,2,3") as process:
        job = job_in_training(project, ENDLESS, process)
        assert output("scancel", "--signal=KILL", f"{job}.0", **slurm) is not None  # its process, not the job
        assert process.wait(900) == 1
    runs = by_epochs(project)
    assert {epochs: run.info.status for epochs, run in runs.items()} == {
        ENDLESS: "FAILED",
        **dict.fromkeys((1, 2, 3), "FINISHED"),
    }
    reason = f"its SLURM job {job} ended without a result (FAILED)"
    assert runs[ENDLESS].data.tags["error"].startswith(reason)
    assert any(
        line.startswith(f"error: 1 of 4 trials failed: #0 epochs={ENDLESS} ({reason}") for line in lines(project)
    )
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in runs.values()}
    assert MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}").get_run(parent).info.status == "FAILED"
    folders = {path.parent.parent.name for path in project.root.glob("trials/*/*/*/model/model.safetensors")}
    assert folders == {"1", "2", "3"}


def short_lived_scontrol(folder: Path) -> str:
    """Return a PATH on which `scontrol requeue` is ended by its own success, as a quick controller does."""
    script = folder / "scontrol"
    script.write_text(f'#!/bin/sh\n{shutil.which("scontrol")} "$@" && [ "$1" = requeue ] && kill -TERM $$\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_cancelled_job_fails_and_a_requeued_job_resumes(
    slurm: dict[str, str], project: Project, tmp_path: Path
) -> None:
    epochs = 60
    environment = {**slurm, "PATH": short_lived_scontrol(tmp_path)}
    with sweep(project, environment, f"training.epochs={epochs},{ENDLESS}") as process:
        moved = job_in_training(project, epochs, process)  # first, as it ends by itself
        assert output("scancel", "--signal=USR2", moved, **slurm) is not None
        wait_until(lambda: output("squeue", "-h", f"--jobs={moved}", "--format=%T", **slurm) == "PENDING", "the queue")
        assert output("scontrol", "update", f"JobId={moved}", "StartTime=now", **slurm) is not None
        cancelled = job_in_training(project, ENDLESS, process)
        assert output("scancel", cancelled, **slurm) is not None
        assert process.wait(900) == 1
    runs = by_epochs(project)
    assert runs[ENDLESS].info.status == "FAILED"
    assert runs[epochs].info.status == "FINISHED", (runs[epochs].data.tags, lines(project))
    assert f"its SLURM job {cancelled} ended without a result (CANCELLED)" in runs[ENDLESS].data.tags["error"]
    (log,) = project.root.glob(f"trials/*/*/.submitit/{moved}/*.err")
    assert "resuming after the last finished epoch" in log.read_text()
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    steps = [point.step for point in client.get_metric_history(runs[epochs].info.run_id, "val/loss")]
    assert len(steps) == len(set(steps)) == 1 + epochs + 1, "untrained, epochs, the kept model"


def test_a_job_gets_as_many_processors_as_the_trial_has_threads(slurm: dict[str, str], project: Project) -> None:
    with sweep(project, slurm, "training.epochs=1", "trainer.threads=2") as process:
        assert process.wait(900) == 0
    (run,) = by_epochs(project).values()
    assert run.data.params["hardware.threads"] == "2"
    job: Any = output("scontrol", "show", "job", run.data.tags["slurm.job"], **slurm)
    assert "CPUs/Task=2" in job
