"""What a sweep on SLURM needs that can be seen without one; tests/integration/test_slurm.py has a real one."""

from pathlib import Path

import pytest

from pipeline.config import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.sweep.parent_run import child_tags, find_trials, open_sweep
from pipeline.sweep.session import Session
from pipeline.sweep.slurm import outlive_jobs
from pipeline.sweep.trial import Trial
from pipeline.tracking.provenance import job_tags
from pipeline.tracking.store import connect

TRACKING = TrackingConfig(experiment="reviews", uri=None, system_metrics=False, patience=0)


def test_without_sbatch_a_sweep_on_slurm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PipelineError, match="hydra/launcher: there is no sbatch here"):
        outlive_jobs(TRACKING)


def test_a_trial_whose_job_died_is_failed_with_the_run_it_opened_or_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    store = connect(TRACKING)
    sweep = open_sweep(store, "key", "sweep", {}, {}, {})
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
