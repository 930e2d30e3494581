"""What a sweep on SLURM needs that can be seen without one; tests/integration/test_slurm.py has a real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import WORKSPACE, TrackingConfig
from pipeline.tracking.lost import close_lost_runs
from pipeline.tracking.provenance import job_tags
from pipeline.tracking.run import training_run
from pipeline.tracking.store import connect


def test_without_sbatch_a_sweep_on_slurm_is_refused_in_one_line() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pipeline.train", "-m", "hydra/launcher=slurm", "seed=1,2"],
        cwd=WORKSPACE,
        env={**os.environ, "PATH": str(Path(sys.executable).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stderr.startswith("error: hydra/launcher: there is no sbatch here; ")
    assert len(found.stderr.splitlines()) == 1


def test_only_the_runs_of_the_lost_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    assert job_tags() == {"slurm.job": "9"}
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    store = connect(TrackingConfig(experiment="reviews", uri=None, system_metrics=False))
    with training_run(store, "other", {"slurm.job": "7_3"}), training_run(store, "lost", job_tags()):
        with training_run(store, "ended", job_tags()):
            pass
        close_lost_runs(store, {"slurm.job": "7_2"}, "its job 7_2 was killed")
        runs = {run.info.run_name: run for run in store.client.search_runs([store.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == {
        "other": "RUNNING",
        "lost": "FAILED",
        "ended": "FINISHED",
    }
    assert runs["lost"].data.tags["error"] == "its job 7_2 was killed"
    assert "error" not in runs["ended"].data.tags
