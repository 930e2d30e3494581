"""Sweeps on SLURM: what happens to a trial whose job dies.

Hydra's submitit launcher learns of dead jobs from SLURM's accounting, which a small cluster may not have, and the first
dead job ends the sweep. Here jobs are looked up in the queue, and one that ended without a result is a failed trial.
"""

import shutil
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import UncompletedJobError
from submitit.slurm import slurm

from pipeline.config import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.sweep.trial import Trial
from pipeline.tracking.store import connect

POLL_SECONDS = 60
"""Longest time between two looks at the queue."""
GONE = "GONE"
"""SLURM forgets a job minutes after its end."""
ENDED = {
    *{"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"},
    *{"TIMEOUT", GONE},
}
"""States a job does not leave."""


def outlive_jobs(tracking: TrackingConfig) -> None:
    """Have submitit handle its jobs as `TrialJob`s.

    Args:
        tracking: where the trials record themselves.

    Raises:
        PipelineError: no job can be submitted here.
    """
    if shutil.which("sbatch") is None:
        raise PipelineError(
            "hydra/launcher: there is no sbatch here; start the sweep on a machine from which SLURM takes jobs"
        )
    TrialJob.tracking = tracking
    slurm.SlurmJob = slurm.SlurmExecutor.job_class = TrialJob  # type: ignore[misc]


class Queue(slurm.SlurmInfoWatcher):
    """The states of jobs, from `squeue`."""

    def _make_command(self) -> list[str] | None:
        if not self._registered - self._finished:
            return None
        return ["squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i %T"]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """The state of each job that is not known to have ended."""
        text = string if isinstance(string, str) else string.decode()
        states = dict(line.split() for line in text.splitlines())
        return {job: {"State": states.get(job, GONE)} for job in self._registered - self._finished}

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        """Whether the job has ended for good: one that was suspended or queued again has not."""
        return self.get_state(job_id, mode) in ENDED


class TrialJob(slurm.SlurmJob[Any]):
    """A job whose loss is a failed trial instead of an exception."""

    watcher = Queue(POLL_SECONDS)
    tracking: TrackingConfig

    def results(self) -> list[Any]:
        """Wait for the job's end; return what Hydra calls its `JobReturn`."""
        try:
            return super().results()
        except UncompletedJobError:
            return [self._lost()]

    def _lost(self) -> JobReturn:
        overrides, _, number, *_ = self.submission().args
        reason = f"its SLURM job {self.job_id} ended without a result ({self.state}); see {self.paths.stderr}"
        trial = Trial.of(overrides, number)
        trial.fail(connect(self.tracking), reason, trial.tags)
        lost = JobReturn(overrides, status=JobStatus.COMPLETED)
        lost.return_value = None  # as of any trial that failed
        return lost
