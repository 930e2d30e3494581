"""A temporary clone of the project, in which a run is made again: nothing in the project itself changes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.runtime import parent_process
from pipeline.runtime.errors import PipelineError

OF_THE_PROJECT = ("DVC_EXP_NAME", "DVC_ROOT")
"""Variables that would lead a command back to the project."""
WATCHED = """
import runpy, sys
runpy.run_path(sys.argv[1])["end_with"](int(sys.argv[2]))
del sys.argv[:3]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Ends with this process, by this file whatever the clone's code is; then does as `python -m`."""


@contextmanager
def temporary_clone(project: Path, commit: str) -> Iterator[Path]:
    """Yield a clone of the project with `commit` checked out; it shares git's objects, and is removed at the end.

    Raises:
        PipelineError: git failed.
    """
    with TemporaryDirectory(prefix="reproduce-") as folder:
        clone = Path(folder) / "project"
        _git("clone", "--quiet", "--shared", "--no-checkout", str(project), str(clone))
        _git("-C", str(clone), "checkout", "--quiet", "--detach", commit)
        yield clone


def store_uri(clone: Path) -> str:
    """The clone's own MLflow store."""
    return f"sqlite:///{clone / 'mlflow.db'}"


def succeeds(clone: Path, module: str, *arguments: str, quiet: bool = False, **variables: str) -> bool:
    """Run `python -m <module>` in the clone, with its code; what it prints goes to standard error, or nowhere.

    Whatever ends this command early ends that one too.

    Args:
        clone: its folder.
        module: of the clone, or of an installed package.
        arguments: of the command.
        quiet: print nothing.
        variables: added to its environment.
    """
    environment = {key: value for key, value in os.environ.items() if key not in OF_THE_PROJECT}
    environment |= {"PYTHONPATH": str(clone), "MLFLOW_TRACKING_URI": store_uri(clone), "TMPDIR": str(clone.parent)}
    environment |= variables
    output = subprocess.DEVNULL if quiet else sys.stderr
    watched = [sys.executable, "-c", WATCHED, parent_process.__file__, str(os.getpid())]
    command: Sequence[str] = [*watched, module, *arguments]
    process = None
    try:
        with _signals_wait():
            process = subprocess.Popen(command, cwd=clone, env=environment, stdout=output, stderr=output)
        return process.wait() == 0
    finally:
        if process is not None:
            process.terminate()
            process.wait()  # or the clone would be removed under its hands


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Answer an interrupt or a termination at the end of the block: a process half started could not be ended."""
    came: list[int] = []
    answers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, answer in answers.items():
        if answer is not signal.SIG_IGN:  # which the process to be started inherits
            signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, answer in answers.items():
            signal.signal(number, answer)
    for received in came:
        signal.raise_signal(received)


def _git(*arguments: str) -> None:
    try:
        subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise PipelineError(f"the project cannot be cloned: {error.stderr.strip()}") from None
