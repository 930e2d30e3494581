"""The processes that work for a killed process end with it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from joblib import Parallel, delayed

from pipeline.reproduce.clone import succeeds
from pipeline.runtime import parent_process
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.worker_pool import worker_pool
from pipeline.sweep.session import Session, present_session

DEADLINE = 60
"""Seconds to wait for a process to end."""


SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def sleep(_item: int) -> None:
    exec(SLEEP)


def trial(_item: int) -> None:
    present_session().end_trials()
    sleep(_item)


def pool() -> None:
    """Work in a pool, like `preprocess`."""
    with worker_pool(2) as mapping:
        list(mapping(sleep, range(2)))


def sweep() -> None:
    """Run trials like the joblib launcher."""
    Session("key", "run", [], 2, folder="", inputs={}, code="", process=os.getpid()).hand_over()
    Parallel(n_jobs=2, backend="loky")(delayed(trial)(number) for number in range(2))


def reproduction() -> None:
    """Run a stage like `reproduce`, whose clone may hold another version of the pipeline."""
    sys.stderr = sys.stdout  # where a stage prints
    succeeds(Path.cwd(), "sleeper")


@pytest.mark.parametrize(("by", "number"), [(pool, 2), (sweep, 2), (reproduction, 1)])
def test_what_works_for_a_killed_process_ends(by: Callable[[], None], number: int, tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEP)
    command = [sys.executable, "-c", f"from tests.runtime.test_parent_process import {by.__name__} as run; run()"]
    environment = {**os.environ, "PYTHONPATH": str(WORKSPACE)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        workers = [psutil.Process(int(process.stdout.readline())) for _ in range(number)]
        process.kill()
        alive = psutil.wait_procs(workers, DEADLINE)[1]
        for worker in alive:
            worker.kill()
    assert not alive


def test_the_end_is_noticed_where_the_system_does_not_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.setattr(parent_process, "EXIT_POLL_SECONDS", 0.01)
    with subprocess.Popen(["sleep", "600"]) as other, ThreadPoolExecutor() as threads:
        waiting = threads.submit(parent_process._wait_for_end, other.pid)
        time.sleep(0.1)
        assert not waiting.done()
        other.kill()
        other.wait()
        waiting.result(DEADLINE)
