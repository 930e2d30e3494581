"""`make ui` and `make serve`, as a user runs them, in a trained project."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from pipeline.runtime.port import bind
from tests.conftest import Project
from tests.robustness.test_hostile_files import PLANTED, Harm, plant
from tests.support.servers import MLflowServer, free_port

MAKE = ("make", "--old-file", "setup")  # the environment of these tests is set up
HEALTH_PATHS = {"ui": "health", "serve": "ping"}
TIMEOUT = 120


@contextmanager
def running(project: Project, target: str, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the command; at the end of the block it is killed with all its processes."""
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
        return requests.get(f"http://{host}:{port}/{HEALTH_PATHS[target]}", timeout=5).ok
    except requests.RequestException:
        return False


def other_addresses() -> list[str]:
    """Return the addresses of this machine other than 127.0.0.1."""
    addresses = [address for interface in psutil.net_if_addrs().values() for address in interface]
    internet = {address.address for address in addresses if address.family in (socket.AF_INET, socket.AF_INET6)}
    return sorted({"127.0.0.2", "::1"} | internet - {"127.0.0.1"})


@pytest.mark.parametrize("target", ["ui", "serve"])
def test_it_can_be_reached_only_from_this_machine(target: str, trained: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(trained, target, port, log) as process:
        wait_for(process, port, target, log)
        assert [address for address in other_addresses() if answers(address, port, target)] == []
        listening = {
            c.laddr.ip for each in group(process.pid) for c in each.net_connections() if c.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


def wait_for(process: "subprocess.Popen[bytes]", port: int, target: str, log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not answers("127.0.0.1", port, target):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def group(leader: int) -> list[psutil.Process]:
    processes = []
    for each in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(each.pid) == leader and each.status() != psutil.STATUS_ZOMBIE:
                processes.append(each)
    return processes


def require_all_ended(leader: int, port: int) -> None:
    """Wait until no process of a group is left, and see that the port is free."""
    deadline = time.monotonic() + TIMEOUT
    while remaining := group(leader):
        assert time.monotonic() < deadline, remaining
        time.sleep(0.1)
    bind(port).close()


def test_a_server_has_its_own_ui(trained: Project, tmp_path: Path) -> None:
    with MLflowServer(tmp_path, f"sqlite:///{tmp_path}/server.db") as server:
        shown = trained.run(*MAKE, "ui", f"PORT={free_port()}", MLFLOW_TRACKING_URI=server.uri)
        assert f"the runs are on a server, which has its own UI: {server.uri}" in shown.stderr


@pytest.mark.parametrize("target", ["ui", "serve"])
def test_all_its_processes_end_when_it_is_terminated(target: str, trained: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(trained, target, port, log) as process:
        wait_for(process, port, target, log)
        process.terminate()  # only make, as a supervisor does
        assert process.wait(TIMEOUT) == -signal.SIGTERM
        require_all_ended(process.pid, port)
    assert "Traceback" not in log.read_text()
    if target == "serve":
        assert "\nterminated\n" in log.read_text()


@pytest.mark.parametrize("target", ["ui", "serve"])
def test_all_its_processes_end_with_the_terminal(target: str, trained: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(trained, target, port, log) as process:
        wait_for(process, port, target, log)
        os.killpg(process.pid, signal.SIGHUP)  # as a terminal does that is closed
        process.wait(TIMEOUT)
        require_all_ended(process.pid, port)


def test_a_running_request_does_not_delay_the_shutdown_for_long(trained: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(trained, "serve", port, log) as process:
        wait_for(process, port, "serve", log)
        with socket.create_connection(("127.0.0.1", port)) as half_sent:
            half_sent.sendall(
                b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            assert answers("127.0.0.1", port, "serve")  # now the other has been read
            process.terminate()
            assert process.wait(TIMEOUT) == -signal.SIGTERM
            half_sent.settimeout(TIMEOUT)
            assert b"HTTP/1.1 503" in half_sent.recv(1000)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("planted", PLANTED, ids=["python", "sklearn"])
def test_a_champion_that_was_replaced_by_a_pickle_is_served_from_its_weights(
    planted: dict[str, str], trained: Project, tmp_path: Path
) -> None:
    project = Project(tmp_path / "project")
    trained.copy_to(project.root)
    project.run("python", "-m", "pipeline.send")  # its store now points to its own artifacts
    (mlmodel,) = (project.root / "mlartifacts").rglob("MLmodel")
    harm = Harm(tmp_path / "harm was done")
    plant(mlmodel.parent, harm, **planted)
    (mlmodel.parent / "code" / "pipeline" / "__init__.py").write_text(f"open({str(harm.mark)!r}, 'w')\n")
    port, log = free_port(), tmp_path / "log"
    with running(project, "serve", port, log) as process:
        wait_for(process, port, "serve", log)
        answer = requests.post(f"http://127.0.0.1:{port}/invocations", json={"inputs": ["a delight"]}, timeout=60)
        assert answer.status_code == 200
    assert not harm.mark.exists()
