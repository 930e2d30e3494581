"""A process that is killed leaves none behind that worked for it, and one that dies is one line."""

import os
import signal
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
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.worker_pool import clear_deaths, worker_pool
from pipeline.sweep.session import Session, present_session

DEADLINE = 60
"""Seconds."""


SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def sleep(_item: int) -> None:
    exec(SLEEP)


def trial(_item: int) -> None:
    present_session().end_trials()
    sleep(_item)


def pool() -> None:
    """As `preprocess`."""
    with worker_pool(2) as mapping:
        list(mapping(sleep, range(2)))


def sweep() -> None:
    """As the joblib launcher."""
    Session("key", "run", [], 2, folder="", inputs={}, code="", process=os.getpid()).hand_over()
    Parallel(n_jobs=2, backend="loky")(delayed(trial)(number) for number in range(2))


def reproduction() -> None:
    """As `reproduce`, whose clone may hold another version of the pipeline."""
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
    monkeypatch.setattr(parent_process, "POLL_SECONDS", 0.01)
    with subprocess.Popen(["sleep", "600"]) as other, ThreadPoolExecutor() as threads:
        waiting = threads.submit(parent_process._wait_for_end, other.pid)
        time.sleep(0.1)
        assert not waiting.done()
        other.kill()
        other.wait()
        waiting.result(DEADLINE)


def die(_item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_one_line() -> None:
    with pytest.raises(PipelineError, match=r"worker process was killed, .*; make room in"), worker_pool(2) as mapping:
        list(mapping(die, range(4)))
    with pytest.raises(PipelineError, match="a worker process was killed"), clear_deaths():
        Parallel(n_jobs=2, backend="loky")(delayed(die)(number) for number in range(2))
