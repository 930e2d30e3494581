"""`dvc repro` as a process that can be killed, with all its child processes, in the middle of a stage."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import Project
from tests.support.pipeline_runs import stages_run

LIMIT = 600
"""Seconds after which a run is considered hanging."""
PAUSE = 0.02


@dataclass
class Repro:
    """A running `dvc repro`, in a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, stage: str) -> bool:
        """Wait until it runs the stage; return False if it ended before."""
        deadline = time.monotonic() + LIMIT
        while stage not in stages_run(self.printed):
            if not self.running:
                return stage in stages_run(self.printed)
            assert time.monotonic() < deadline, f"{stage} was never run:\n{self.printed}"
            time.sleep(PAUSE)
        return True

    def wait(self, seconds: float = LIMIT) -> None:
        """Wait until it ends, at most for this time."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(PAUSE)

    def kill(self) -> bool:
        """Kill it and its child processes, and wait for their end; return False if it had ended before."""
        alive = self.running
        if alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + LIMIT
        while any(_in_group(process, self.process.pid) for process in psutil.process_iter()):
            assert time.monotonic() < deadline, "its child processes outlive it"
            time.sleep(PAUSE)
        return alive


@contextmanager
def repro(project: Project, log: Path, *targets: str, **environment: str) -> Iterator[Repro]:
    """Start `dvc repro`, and kill it at the end of the block if it still runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["dvc", "repro", *targets],
            cwd=project.root,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Repro(process, log)
    try:
        yield running
    finally:
        running.kill()


def _in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False
