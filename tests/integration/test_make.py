"""`make ui` and `make serve`, given as a user gives them, in a trained project."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import Project
from tests.servers import free_port
from tests.test_hostile_files import PLANTED, Harm, plant

MAKE = ("make", "--old-file", "setup")  # the environment these tests run in is set up
WHERE = {"ui": "health", "serve": "ping"}
LIMIT = 120


@contextmanager
def made(project: Project, target: str, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Give the command; at the end of the block it is killed, with all it has started."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*MAKE, target, f"PORT={port}"],
            cwd=project.root,
            env={**os.environ, "PATH": path},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str, port: int, target: str) -> bool:
    host = f"[{address}]" if ":" in address else address
    try:
        return requests.get(f"http://{host}:{port}/{WHERE[target]}", timeout=5).ok
    except requests.RequestException:
        return False


def other_addresses() -> list[str]:
    """Of this machine, but for the one that loopback has."""
    found = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    internet = {address.address for address in found if address.family in (socket.AF_INET, socket.AF_INET6)}
    return sorted({"127.0.0.2", "::1"} | internet - {"127.0.0.1"})


@pytest.mark.parametrize("target", ["ui", "serve"])
def test_it_is_reached_from_this_machine_alone(target: str, trained: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with made(trained, target, port, log) as process:
        deadline = time.monotonic() + LIMIT
        while not answers("127.0.0.1", port, target):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        assert [address for address in other_addresses() if answers(address, port, target)] == []
        group = [each for each in psutil.process_iter() if each.is_running() and os.getpgid(each.pid) == process.pid]
        listening = {c.laddr.ip for each in group for c in each.net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}


def test_a_champion_made_a_pickle_is_not_served(trained: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(trained.root, project.root, symlinks=True)
    champion = ("python", "-m", "pipeline.predict", "--model", "models:/sentiment@champion", "a delight")
    project.run(*champion)  # its store now points to its own artifacts
    (mlmodel,) = (project.root / "mlartifacts").rglob("MLmodel")
    harm = Harm(tmp_path / "harm was done")
    plant(mlmodel.parent, harm, **PLANTED[0])
    found = project.run(*MAKE, "serve", f"PORT={free_port()}", check=False)
    assert found.returncode != 0
    assert "Deserializing" in found.stderr and "is disallowed" in found.stderr
    assert not harm.mark.exists()
    project.run(*champion)
    assert not harm.mark.exists()
