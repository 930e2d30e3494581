"""Sweeps on SLURM, without a cluster; tests/integration/test_slurm.py has a real one."""

import inspect
import shutil
import signal
import subprocess
from contextlib import nullcontext
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any
from unittest.mock import Mock

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.types import HydraContext
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import OmegaConf
from submitit.core import job_environment
from submitit.slurm import slurm

from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.sweep.parent_run import child_tags, find_trials, open_sweep
from pipeline.sweep.session import Session
from pipeline.sweep.slurm import Queue, TrialJob, survive_lost_jobs, survive_requeue
from pipeline.sweep.trial import Trial
from pipeline.tracking.provenance import job_tags
from pipeline.tracking.store import connect

TRACKING = TrackingConfig(experiment="reviews", uri=None, system_metrics=False, server_timeout=0)


def test_without_sbatch_a_sweep_on_slurm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PipelineError, match="hydra/launcher: there is no sbatch here"):
        survive_lost_jobs(lambda *_: None)


@pytest.fixture
def submitit_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the changes to submitit after a test."""
    monkeypatch.setattr(slurm, "SlurmJob", slurm.SlurmJob)
    monkeypatch.setattr(slurm.SlurmExecutor, "job_class", slurm.SlurmExecutor.job_class)
    monkeypatch.setattr(slurm.SlurmJobEnvironment, "_requeue", slurm.SlurmJobEnvironment._requeue)


@pytest.mark.usefixtures("submitit_restored")
def test_a_lost_job_is_reported_by_submitits_own_executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails when submitit or Hydra's launcher moves what pipeline/sweep/slurm.py replaces or reads."""
    programs = {"sbatch": "echo Submitted batch job 7", "srun": "exit 1", "squeue": "echo 7_0 OUT_OF_MEMORY"}
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    losses: list[tuple[Any, ...]] = []
    survive_lost_jobs(lambda *loss: losses.append(loss))
    monkeypatch.setattr(TrialJob, "watcher", Queue(1))
    monkeypatch.setattr(TrialJob, "_results_timeout_s", 0)
    launcher = SlurmLauncher(submitit_folder=str(tmp_path / "%j"), max_num_timeout=1)
    launcher.setup(
        hydra_context=HydraContext(None, Callbacks()),  # type: ignore[arg-type]
        task_function=lambda _: None,
        config=OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path / "sweep")}}}),
    )
    results = launcher.launch([["seed=1"], ["seed=2"]], initial_job_idx=4)
    assert [result.return_value for result in results] == [None, None]
    assert [loss[:2] for loss in losses] == [(["seed=1"], 4), (["seed=2"], 5)]
    (first, second) = (reason for *_, reason in losses)
    assert first.startswith("its SLURM job 7_0 ended without a result (OUT_OF_MEMORY); see ")
    assert second.startswith("its SLURM job 7_1 ended without a result (GONE); see ")


@pytest.mark.usefixtures("submitit_restored")
def test_a_requeue_that_ends_its_own_scontrol_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails when submitit no longer asks for a requeue by `_requeue` and `check_call`."""
    survive_requeue()
    environment = slurm.SlurmJobEnvironment()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    for code, outcome in ((-signal.SIGTERM, nullcontext()), (1, pytest.raises(CalledProcessError))):
        monkeypatch.setattr(subprocess, "check_call", Mock(side_effect=CalledProcessError(code, "scontrol")))
        with outcome:
            environment._requeue(countdown=1)
        subprocess.check_call.assert_called_once()  # type: ignore[attr-defined]
    assert "self.env._requeue(" in inspect.getsource(job_environment.SignalHandler)


def test_a_trial_whose_job_died_fails_in_the_run_it_opened_or_a_new_one(
    tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(fresh_database, tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    store = connect(TRACKING)
    sweep = open_sweep(store, "key", "sweep", {"data.md5": "d"}, {}, {})
    monkeypatch.setenv("SENTIMENT_SWEEP", "")
    Session("key", sweep, ["seed"], 1, folder="", inputs={}, code="", process=1).hand_over()
    opened, other = (
        store.client.create_run(store.experiment_id, tags=child_tags(sweep, {"seed": seed})).info.run_id
        for seed in ("1", "2")
    )
    for number, seed in ((0, "1"), (2, "3")):
        trial = Trial.of([f"seed={seed}", "training.lr=1"], number)
        trial.fail(store, "its job was killed", trial.tags)
    trials = {trial.values["seed"]: trial for trial in find_trials(store, sweep)}
    assert {seed: trial.status for seed, trial in trials.items()} == {"1": "FAILED", "2": "RUNNING", "3": "FAILED"}
    assert (trials["1"].run_id, trials["2"].run_id) == (opened, other)
    assert {trials[seed].error for seed in ("1", "3")} == {"its job was killed"}


def test_a_run_names_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert job_tags() == {}
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    assert job_tags() == {"slurm.job": "9"}
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert job_tags() == {"slurm.job": "7_2"}
