"""A copy of the pipeline's code in a folder of its own, to run stages on other data than the user's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.runtime.paths import WORKSPACE


def copy_code(folder: Path) -> None:
    """Make `folder` a checkout with the package alone."""
    shutil.copytree(WORKSPACE / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Python in such a folder, its output unseen; what it imports as `pipeline` is the copy."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end. Raises `CalledProcessError` if it failed."""
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, process.args)
