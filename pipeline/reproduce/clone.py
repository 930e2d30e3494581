"""Temporary clone of the project, in which a run is repeated; nothing in the project itself changes."""

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

PROJECT_VARIABLES = ("DVC_EXP_NAME", "DVC_ROOT", "MLFLOW_REGISTRY_URI")
"""Environment variables that would make a command use the project, or its registry, instead of the clone's."""
RUN_WATCHED = """
import runpy, sys
runpy.run_path(sys.argv[1])["end_with"](int(sys.argv[2]))
del sys.argv[:3]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Program that runs a module as `python -m` does, and ends when this process ends.

It loads `end_with` from a file of this checkout, because the clone's code may be older than that function.
"""


@contextmanager
def temporary_clone(project: Path, commit: str) -> Iterator[Path]:
    """Yield a clone of the project with `commit` checked out, which shares git's objects, and remove it at the end.

    Raises:
        PipelineError: git failed.
    """
    with TemporaryDirectory(prefix="reproduce-") as folder:
        clone = Path(folder) / "project"
        _run_git("clone", "--quiet", "--shared", "--no-checkout", str(project), str(clone))
        _run_git("-C", str(clone), "checkout", "--quiet", "--detach", commit)
        yield clone


def store_uri(clone: Path) -> str:
    """Return the address of the clone's own MLflow store."""
    return f"sqlite:///{clone / 'mlflow.db'}"


def succeeds(clone: Path, module: str, *arguments: str, quiet: bool = False, **variables: str) -> bool:
    """Run `python -m <module>` in the clone, with the clone's code; return true if it exits with 0.

    Its output goes to standard error. When this process ends, for whatever reason, so does that one.

    Args:
        clone: folder of the clone.
        module: a module of the clone or of an installed package.
        arguments: arguments of the command.
        quiet: drop its output.
        variables: further environment variables.
    """
    environment = {key: value for key, value in os.environ.items() if key not in PROJECT_VARIABLES}
    environment |= {"PYTHONPATH": str(clone), "MLFLOW_TRACKING_URI": store_uri(clone), "TMPDIR": str(clone.parent)}
    environment |= variables
    output = subprocess.DEVNULL if quiet else sys.stderr
    watched = [sys.executable, "-c", RUN_WATCHED, parent_process.__file__, str(os.getpid())]
    command: Sequence[str] = [*watched, module, *arguments]
    process = None
    try:
        with _signals_delayed():
            process = subprocess.Popen(command, cwd=clone, env=environment, stdout=output, stderr=output)
        return process.wait() == 0
    finally:
        if process is not None:
            process.terminate()
            process.wait()  # it must not outlive the clone, which is removed next


@contextmanager
def _signals_delayed() -> Iterator[None]:
    """Handle an interrupt or a termination after the block: in the middle of it, a new process could not be ended."""
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:  # the new process inherits that a signal is ignored
            signal.signal(number, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for late in received:
        signal.raise_signal(late)


def _run_git(*arguments: str) -> None:
    try:
        subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise PipelineError(f"the project cannot be cloned: {error.stderr.strip()}") from None
