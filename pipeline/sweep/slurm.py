"""Changes to submitit, Hydra's way to SLURM; the only module that touches submitit, whose private parts they need.

submitit learns that a job has ended from SLURM's accounting, which a small cluster may not have, and the first job that
dies ends the whole sweep. Here jobs are looked up in the queue, and a job without a result is a failed trial.
"""

import shutil
import signal
from collections.abc import Callable, Sequence
from subprocess import CalledProcessError
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import UncompletedJobError
from submitit.slurm import slurm

from pipeline.runtime.errors import PipelineError

QUEUE_POLL_SECONDS = 60
"""Longest time between two calls of `squeue`."""
GONE = "GONE"
"""State of a job that SLURM has forgotten, as it does minutes after the job's end."""
FINAL_STATES = {
    *{"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"},
    *{"TIMEOUT", GONE},
}
"""States that a job does not leave."""

RecordLoss = Callable[[Sequence[str], int, str], None]
"""Records a failed trial, given its overrides, its number and the reason."""

_call_scontrol = slurm.SlurmJobEnvironment._requeue


def survive_lost_jobs(record_loss: RecordLoss) -> None:
    """Make submitit use `TrialJob`, so that a sweep outlives the jobs it loses.

    Raises:
        PipelineError: this machine cannot submit jobs.
    """
    if shutil.which("sbatch") is None:
        raise PipelineError(
            "hydra/launcher: there is no sbatch here; start the sweep on a machine that can submit jobs to SLURM"
        )
    TrialJob.record_loss = staticmethod(record_loss)
    slurm.SlurmJob = slurm.SlurmExecutor.job_class = TrialJob  # type: ignore[misc]  # a class, replaced


def survive_requeue() -> None:
    """Let a job whose time is over put itself back into the queue without failing its trial.

    SLURM then ends all processes of the job, including the `scontrol requeue` that asked for it and has not returned
    yet. submitit takes that for a refusal and raises an exception in the middle of the training.
    """
    slurm.SlurmJobEnvironment._requeue = _requeue  # type: ignore[method-assign]  # a method, replaced


def _requeue(self: slurm.SlurmJobEnvironment, countdown: int) -> None:
    try:
        _call_scontrol(self, countdown)
    except CalledProcessError as error:
        if error.returncode != -signal.SIGTERM:
            raise


class Queue(slurm.SlurmInfoWatcher):
    """The states of jobs, read from `squeue`."""

    def _make_command(self) -> list[str] | None:
        if not self._registered - self._finished:
            return None
        return ["squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i %T"]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """Return the state of each job that is not known to have ended."""
        text = string if isinstance(string, str) else string.decode()
        states = dict(line.split() for line in text.splitlines())
        return {job: {"State": states.get(job, GONE)} for job in self._registered - self._finished}

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        """Return true if the job has ended for good; a suspended or requeued job has not."""
        return self.get_state(job_id, mode) in FINAL_STATES


class TrialJob(slurm.SlurmJob[Any]):
    """A job that ends as a failed trial, not as an exception, when it is lost."""

    watcher = Queue(QUEUE_POLL_SECONDS)
    record_loss: RecordLoss

    def results(self) -> list[Any]:
        """Wait until the job ends, and return its `JobReturn`, Hydra's type for the result of a job."""
        try:
            return super().results()
        except UncompletedJobError:
            return [self._lost()]

    def _lost(self) -> JobReturn:
        overrides, _, number, *_ = self.submission().args  # of hydra_submitit_launcher's __call__
        reason = f"its SLURM job {self.job_id} ended without a result ({self.state}); see {self.paths.stderr}"
        self.record_loss(overrides, number, reason)
        lost = JobReturn(overrides, status=JobStatus.COMPLETED)
        lost.return_value = None  # as any failed trial returns
        return lost
