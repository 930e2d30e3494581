"""State of a running sweep that its own process and those of its trials share, whatever the launcher; and its end."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from pipeline.config.schema import Config
from pipeline.runtime.code_digest import Code
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.parent_process import end_with
from pipeline.training.inputs import training_inputs

VARIABLE = "SENTIMENT_SWEEP"
INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of `pipeline.cli.tidy_exit`."""


@dataclass(frozen=True)
class Session:
    """A running sweep."""

    key: str
    """Digest that is equal for the same command on the same data and code."""
    run_id: str
    """Id of the parent run in MLflow."""
    searched: list[str]
    """Keys of the overrides that vary from trial to trial, such as `model.hidden_dim`."""
    at_once: int
    """Largest number of trials that share a machine at a time."""
    folder: str
    """`hydra.sweep.dir`."""
    inputs: dict[str, str | None]
    """Digests of the files that trials may be trained on, by path."""
    code: str
    """Value of `training_code` when the sweep began."""
    process: int | None
    """Process of the sweep, whose trials end with it; None where trials outlive it, as SLURM jobs do."""

    def require_unchanged(self, config: Config) -> Inputs:
        """Return the inputs of a trial, which must be the same as when the sweep began.

        Raises:
            PipelineError: an input or the code has changed since.
        """
        inputs = Inputs({path: self.inputs[str(path)] for path in training_inputs(config)})
        inputs.require_unchanged()
        if os.getpid() != self.process and training_code() != self.code:  # this process has imported other code
            raise PipelineError("pipeline/ was edited since the sweep began; run the command again for a new sweep")
        return inputs

    def hand_over(self) -> None:
        """Put this sweep into an environment variable, which launchers pass on to the trials."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    def end_trials(self) -> None:
        """In the process of a trial, make that process end with the sweep's."""
        if self.process not in (None, os.getpid()):
            end_with(self.process)


def present_session() -> Session:
    """Return the sweep that this process belongs to.

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
    """Call `ending` when the block of `sweep_ended` is left, with the status FINISHED, FAILED or KILLED."""
    _endings.append(ending)


@contextmanager
def sweep_ended() -> Iterator[None]:
    """End the sweep that is opened in the block, however the block ends.

    Hydra's `on_multirun_end` is not called after an exception.
    """
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
