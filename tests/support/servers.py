"""Real MLflow servers for tests: started on a free port, killed, started again, always reaped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from pipeline.ui import UI_ENVIRONMENT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MLflowServer:
    """`mlflow server` in a folder of its own; a context in which it runs."""

    def __init__(self, folder: Path, backend: str, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder, self._environment = folder, environment
        self._command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", "1", "--backend-store-uri", backend),
            *("--artifacts-destination", str(folder / "artifacts"), *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env={**_environment(), **self._environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 600
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """End it and its workers without a word."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> "MLflowServer":
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=1).ok
        except requests.RequestException:
            return False


def _environment() -> Mapping[str, str]:
    """Without settings of the caller, and without workers for jobs, which take longer to start than the server."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return environment | UI_ENVIRONMENT
