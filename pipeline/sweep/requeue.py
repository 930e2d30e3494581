"""A trial that is a job of SLURM's and is told to make room."""

import signal
from subprocess import CalledProcessError

from submitit.slurm.slurm import SlurmJobEnvironment

_request = SlurmJobEnvironment._requeue


def expect_requeue() -> None:
    """Have a job that queues itself again take its request for granted, though the request is ended by its own success.

    SLURM then ends all processes of the job, also the `scontrol` that asks for it and has not returned yet. submitit
    takes that for a refusal and raises in the middle of the training, which would be a failed trial.
    """
    SlurmJobEnvironment._requeue = _requeue  # type: ignore[method-assign]


def _requeue(self: SlurmJobEnvironment, countdown: int) -> None:
    try:
        _request(self, countdown)
    except CalledProcessError as error:
        if error.returncode != -signal.SIGTERM:
            raise
