"""Real SLURM cluster on this machine, from the Debian package slurm-wlm, run by the current user."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
SYSTEM_PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=tests Nodes=ALL Default=YES
"""


@pytest.fixture(scope="session")
def slurm() -> Iterator[dict[str, str]]:
    """Start a cluster of one node with two processors and no accounting; yield the environment for its commands."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=SYSTEM_PATH) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: missing; install the Debian package slurm-wlm: apt-get install slurm-wlm")
    # not pytest's folder: the path of a socket must be short, and munged requires a folder that all may read
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, ExitStack() as services:
        folder = Path(name)
        folder.chmod(0o755)
        _write_configuration(folder)
        environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        munge = [f"--{part}-file={folder}/munge.{part}" for part in ("key", "log", "pid", "seed")]
        services.enter_context(_service(folder, "munged", "--foreground", f"--socket={folder}/munge.socket", *munge))
        wait_until((folder / "munge.socket").exists, "munged")
        for command in (["slurmctld", "-D", "-i"], ["slurmd", "-D"]):
            services.enter_context(_service(folder, *command, **environment))
        wait_until(lambda: output("sinfo", "--noheader", "--format=%T", **environment) == "idle", "the node", folder)
        try:
            yield environment
        finally:
            output("scancel", "--me", "--signal=KILL", **environment)
            output("scancel", "--me", **environment)
            wait_until(lambda: output("squeue", "--noheader", **environment) == "", "the jobs' end", folder)


def output(*command: str, **environment: str) -> str | None:
    """Return the output of a SLURM command; None if it fails."""
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    return None if ended.returncode else ended.stdout.strip()


def wait_until(condition: Callable[[], bool], what: str, folder: Path | None = None, seconds: float = 900) -> None:
    """Poll a condition until it holds; after too long, fail with its name and the services' logs."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.out"))) if folder else ""
            raise AssertionError(f"waited in vain for {what}\n{logs}")
        time.sleep(1)


def _write_configuration(folder: Path) -> None:
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(64))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"controller_port": one.getsockname()[1], "node_port": other.getsockname()[1]}
    host, user = socket.gethostname().split(".")[0], output("id", "--user", "--name")
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, host=host, user=user, **ports))


@contextmanager
def _service(folder: Path, *command: str, **environment: str) -> Iterator[None]:
    """Run a service with its output in a file of the folder; stop it at the end."""
    with (folder / f"{command[0]}.out").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "PATH": SYSTEM_PATH, **environment}, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
