"""Sweeps on SLURM: what happens to a trial whose job dies.

Hydra's submitit launcher learns of dead jobs from SLURM's accounting, which a small cluster may not have, and the first
dead job ends the sweep. `conf/hydra/launcher/submitit_slurm.yaml` adds `SlurmTrials`: jobs are looked up in the queue,
and one that ended without a result is a failed trial like any other, also in MLflow.
"""

import logging
import shutil
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from submitit.core.utils import UncompletedJobError
from submitit.slurm import slurm

from pipeline.cli import tidy_exit
from pipeline.config import TrackingConfig, validate
from pipeline.errors import PipelineError
from pipeline.tracking.lost import close_lost_runs
from pipeline.tracking.provenance import SLURM_JOB_TAG
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

log = logging.getLogger(__name__)


class SlurmTrials(Callback):
    """Makes the launcher outlive its jobs."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Have submitit handle its jobs as `TrialJob`s.

        Exits with one line where no job can be submitted, or the configuration is not valid before the sweep varies it.
        """
        with tidy_exit():
            if shutil.which("sbatch") is None:
                raise PipelineError(
                    "hydra/launcher: there is no sbatch here; start the sweep on a machine from which SLURM takes jobs"
                )
            sections = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
            TrialJob.tracking = validate(OmegaConf.to_container(sections, resolve=True)).tracking
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
        error = (
            f"trial {number} ({' '.join(overrides)}): its SLURM job {self.job_id} ended without a result"
            f" ({self.state}); see {self.paths.stderr}"
        )
        log.error(error)
        try:
            close_lost_runs(connect(self.tracking), {SLURM_JOB_TAG: self.job_id}, error)
        except PipelineError as another:
            log.warning("the MLflow run of job %s may still say RUNNING: %s", self.job_id, another)
        lost = JobReturn(overrides, status=JobStatus.FAILED)
        lost.return_value = PipelineError(error)
        return lost
