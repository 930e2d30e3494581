"""Copies of the pipeline's code, to run stages on data other than the user's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.runtime.paths import WORKSPACE


def copy_code(folder: Path) -> None:
    """Make `folder` a checkout that has only the package."""
    shutil.copytree(WORKSPACE / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Python in such a folder, without output; its `pipeline` is the copy."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the process to end.

    Raises:
        CalledProcessError: it failed.
    """
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, process.args)
