"""What the process of a sweep and those of its trials know of it, whatever the launcher, and how it ends."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from pipeline.config import Config
from pipeline.runtime.code_digest import Code
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.parent_process import end_with
from pipeline.stage import Inputs
from pipeline.training.inputs import trained_on

VARIABLE = "SENTIMENT_SWEEP"
INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of `pipeline.cli.tidy_exit`."""


@dataclass(frozen=True)
class Session:
    """A sweep that is going on."""

    key: str
    """Equal for the same command on the same data and code."""
    run_id: str
    """Of the parent in MLflow."""
    searched: list[str]
    """The overrides whose values vary from trial to trial, such as `model.hidden_dim`."""
    at_once: int
    """Most trials that share a machine at a time."""
    folder: str
    """`hydra.sweep.dir`."""
    inputs: dict[str, str | None]
    """Digests, by path, of what trials may be trained on."""
    code: str
    """`training_code` when it began."""
    process: int | None
    """The sweep's own, with which its trials end; None where they outlive it, as jobs of SLURM's do."""

    def require_unchanged(self, config: Config) -> Inputs:
        """Return the inputs of a trial, which must be what they were when the sweep began.

        Raises:
            PipelineError: one of them, or the code, has changed since.
        """
        inputs = Inputs({path: self.inputs[str(path)] for path in trained_on(config)})
        inputs.require_unchanged()
        if os.getpid() != self.process and training_code() != self.code:  # this process has imported other code
            raise PipelineError("pipeline/ was edited since the sweep began; give the command again for a new sweep")
        return inputs

    def hand_over(self) -> None:
        """Make it known to the trials: launchers pass the environment on."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    def end_trials(self) -> None:
        """See to it that this process, where it is a trial's own, ends with the sweep's."""
        if self.process not in (None, os.getpid()):
            end_with(self.process)


def present_session() -> Session:
    """The sweep this process belongs to.

    Raises:
        PipelineError: it belongs to none.
    """
    if VARIABLE not in os.environ:
        raise PipelineError(f"no sweep is open: the launcher did not pass on the environment variable {VARIABLE}")
    return Session(**json.loads(os.environ[VARIABLE]))


def training_code() -> str:
    """Return the digest of the code that trains a trial."""
    return Code().digest("pipeline.train", "pipeline.sweep.command")


_endings: list[Callable[[str], None]] = []


def at_end(ending: Callable[[str], None]) -> None:
    """Have `ending` called when `sweep_ended` is left, with FINISHED, FAILED or KILLED."""
    _endings.append(ending)


@contextmanager
def sweep_ended() -> Iterator[None]:
    """End the sweep that is opened in the block, whatever way the block ends: Hydra has no hook for that."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except SystemExit as stop:
        if stop.code in (INTERRUPTED, TERMINATED):
            status = "KILLED"
        raise
    finally:
        while _endings:
            _endings.pop()(status)
