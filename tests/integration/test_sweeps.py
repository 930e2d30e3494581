"""Sweeps that are repeated, killed, run by TPE or in several processes at once."""

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pipeline.runtime.worker_pool import available_cores
from tests.conftest import Project
from tests.sweep.test_sweep import SWEEP, TRAINED, sweep_of

TPE = (*SWEEP, "sweep=tpe", "hydra.sweeper.n_trials=3", "model.hidden_dim=int(interval(4,8))")


@pytest.fixture
def project(trained, tmp_path) -> Project:
    return trained.copy_to(tmp_path / "project")


def wait_for(line: str, sweep: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + 300
    while line not in Path(log).read_text():
        assert sweep.poll() is None, Path(log).read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_sweep_trains_nothing_again_unless_told_to(project):
    grid = (*SWEEP, "model.hidden_dim=4,6")
    assert project.run(*grid).stderr.count(TRAINED) == 2
    assert TRAINED not in project.run(*grid).stderr
    parent, trials = sweep_of(project)
    assert (parent.info.status, len(trials)) == ("FINISHED", 2)
    assert project.run(*grid, "sweep.rerun=true").stderr.count(TRAINED) == 2
    parent, trials = sweep_of(project)
    assert (parent.info.status, len(trials), parent.data.metrics["sweep/trials"]) == ("FINISHED", 4, 2)


def test_trials_at_once_share_the_cores_and_a_failed_one_does_not_stop_the_others(project):
    at_once = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "trainer.threads=null")
    cores = {"OMP_NUM_THREADS": str(available_cores())}
    ended = project.run(*SWEEP, *at_once, "training.max_reviews=1,32", check=False, **cores)
    assert ended.returncode == 1
    assert "error: 1 of 2 trials failed: #0 max_reviews=1 (training.max_reviews: " in ended.stderr
    assert "Traceback" not in ended.stderr
    parent, trials = sweep_of(project)
    assert parent.info.status == "FAILED"
    assert "#0 max_reviews=1 failed" in parent.data.tags["mlflow.note.content"]
    statuses = {trial.info.run_name: trial.info.status for trial in trials}
    assert statuses == {"#0 max_reviews=1": "FAILED", "#1 max_reviews=32": "FINISHED"}
    share = str(max(1, available_cores() // 2))
    (params,) = [trial.data.params for trial in trials if trial.info.status == "FINISHED"]
    assert params["hardware.threads"] == share


def test_the_trials_of_a_killed_sweep_end_with_it(project, tmp_path):
    at_once = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "training.epochs=500")
    command = (*SWEEP, *at_once, "training.max_reviews=32,64")
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, cwd=project.root, stdout=log, stderr=log) as sweep,
    ):
        deadline = time.monotonic() + 300
        while (tmp_path / "log").read_text().count("MLflow run #") < 2:
            assert sweep.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        trials = psutil.Process(sweep.pid).children(recursive=True)
        sweep.kill()
    alive = psutil.wait_procs(trials, 60)[1]
    for trial in alive:
        trial.kill()
    assert not alive


def test_a_killed_search_resumes_with_the_same_proposals(project):
    with project.root.with_name("log").open("w") as output:
        first = subprocess.Popen(TPE, cwd=project.root, stdout=output, stderr=subprocess.STDOUT)
    wait_for(TRAINED, first, output.name)
    first.kill()
    first.wait()
    project.run(*TPE)
    parent, trials = sweep_of(project)
    assert parent.info.status == "FINISHED"
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 3
    assert len({trial.data.params["training.lr"] for trial in trials}) == 3


def test_a_worker_that_is_killed_leaves_no_trial_running(project):
    at_once = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "training.epochs=5000,5001")
    with project.root.with_name("log").open("w") as output:
        sweep = subprocess.Popen((*SWEEP, *at_once), cwd=project.root, stdout=output, stderr=subprocess.STDOUT)
    for epochs in (5000, 5001):
        wait_for(f"epoch 2/{epochs}", sweep, output.name)
    workers = [child for child in psutil.Process(sweep.pid).children() if "LokyProcess-1" in child.cmdline()]
    workers[0].kill()
    assert sweep.wait(120) == 1
    parent, trials = sweep_of(project)
    assert [parent.info.status, *(trial.info.status for trial in trials)] == ["FAILED"] * 3
    assert {trial.data.tags["error"] for trial in trials} == {"its process ended without an error message"}
