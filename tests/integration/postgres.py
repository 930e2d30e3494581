"""A real PostgreSQL server in a temporary folder, on loopback."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # where Debian has them, one folder a version
OWNER = "postgres" if getpass.getuser() == "root" else None  # PostgreSQL refuses to run as root
PASSWORD = "a database's password"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """`host:port` of a server with the databases `mlflow` and `mlflow_auth`, both of the user `mlflow`."""
    if not BINARIES:
        pytest.skip("PostgreSQL is missing; install it with: sudo apt-get install postgresql")
    folder, port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
    try:
        if OWNER:
            shutil.chown(folder, OWNER)
        (folder / "password").write_text(PASSWORD)
        data = ["--pgdata", str(folder / "data")]
        run(
            *("initdb", *data, "--username", "mlflow", "--auth", "scram-sha-256", "--no-sync"),
            *("--pwfile", str(folder / "password")),
            folder=folder,
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        run("pg_ctl", *data, "--log", str(folder / "log"), "--options", options, "--wait", "start", folder=folder)
        try:
            for name in ("mlflow", "mlflow_auth"):
                where = ["--host", "127.0.0.1", "--port", str(port), "--username", "mlflow"]
                run("createdb", *where, name, folder=folder)
            yield f"127.0.0.1:{port}"
        finally:
            run("pg_ctl", *data, "--mode", "immediate", "--wait", "stop", folder=folder)
    finally:
        shutil.rmtree(folder)


def run(program: str, *arguments: str, folder: Path) -> None:
    subprocess.run(
        [BINARIES[-1].with_name(program), *arguments],
        user=OWNER,
        cwd=folder,
        env={**os.environ, "PGPASSWORD": PASSWORD},
        check=True,
        stdout=subprocess.DEVNULL,
    )
