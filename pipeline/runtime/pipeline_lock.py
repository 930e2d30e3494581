"""Lock on a checkout's pipeline: one DVC command at a time, and only with the configuration that it composed.

DVC locks stage by stage, so a second `dvc exp run` rewrites params.yaml and checks outputs out before it notices that a
stage is busy. This lock is taken when a command composes its configuration, and lasts as long as DVC's process.
"""

import os
from pathlib import Path, PurePath

import psutil
from filelock import FileLock

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json

STAGE_VARIABLE = "DVC_STAGE"
"""Environment variable that DVC sets for the commands of stages."""


class Holder(Record):
    """A DVC process that runs the pipeline."""

    pid: int
    started: float
    """Seconds from the start of the machine: process ids are reused, and clocks may be set."""
    params: str | None = None
    """SHA-256 of the params.yaml it runs; None until that is composed."""

    @classmethod
    def of(cls, process: psutil.Process) -> "Holder":
        """Describe a process as a holder."""
        return cls(pid=process.pid, started=process.create_time() - psutil.boot_time())

    def is_same(self, other: "Holder | None") -> bool:
        """Return whether both are the same process."""
        return other is not None and self.pid == other.pid and abs(self.started - other.started) < 1

    @property
    def alive(self) -> bool:
        """True if the process still runs."""
        try:
            process = psutil.Process(self.pid)
            return self.is_same(Holder.of(process)) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def acquire(workspace: Path, holder: Holder | None) -> None:
    """Take the lock of a checkout for a process; with None, for a command outside DVC, only check that it is free.

    Raises:
        PipelineError: another process holds it.
    """
    if holder is None:
        _require_free(workspace, holder)
        return
    file = _lock_file(workspace)
    file.parent.mkdir(exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        _require_free(workspace, holder)
        write_json(file, holder.model_dump())


def record_params(workspace: Path, holder: Holder | None, params: str) -> None:
    """Record the SHA-256 of params.yaml for the stages that the holder is about to run."""
    if holder is not None:
        write_json(_lock_file(workspace), {**holder.model_dump(), "params": params})


def require_own(workspace: Path, holder: Holder | None, params: str | None) -> None:
    """Refuse to run a stage beside another command, or with a configuration that its own command did not compose.

    Args:
        workspace: the checkout.
        holder: the DVC process that runs the stage, if one does.
        params: SHA-256 of params.yaml.

    Raises:
        PipelineError: another command holds the lock, or params.yaml has changed since the command began.
    """
    _require_free(workspace, holder)
    current = _read_holder(workspace)
    if current is not None and current.is_same(holder) and current.params not in (None, params):
        raise PipelineError(
            f"{workspace / 'params.yaml'} is no longer what this command composed: another command has changed it; "
            "run this command again when the other has ended"
        )


def dvc_process() -> Holder | None:
    """Return the DVC process that runs this command as a stage; None if none does.

    It is not always the parent: DVC starts commands in the user's shell, and a command may be wrapped in another.
    """
    if STAGE_VARIABLE not in os.environ:
        return None
    return next((Holder.of(process) for process in psutil.Process().parents() if _is_dvc(process)), None)


def _is_dvc(process: psutil.Process) -> bool:
    """Return whether a process was started as `dvc …`, `python …/dvc …` or `python -m dvc …`."""
    try:
        return any(PurePath(argument).stem == "dvc" for argument in process.cmdline()[:3])
    except psutil.Error:  # another user's
        return False


def _require_free(workspace: Path, holder: Holder | None) -> None:
    current = _read_holder(workspace)
    if current is not None and not current.is_same(holder) and current.alive:
        raise PipelineError(
            f"another command (process {current.pid}) runs the pipeline in {workspace}; wait until it has ended, or "
            "work in another clone"
        )


def _read_holder(workspace: Path) -> Holder | None:
    file = _lock_file(workspace)
    return read_json(file, Holder, f"delete {file}") if file.exists() else None


def _lock_file(workspace: Path) -> Path:
    return workspace / ".checkpoints" / "pipeline.json"
