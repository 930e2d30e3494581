"""Make .venv and install the project into it with its pinned dependencies. Use `make setup`, which runs this.

Runs before anything is installed: with any Python from 3.6 on, and with nothing but its standard library. An
environment that cannot be used is made anew: one with a Python that the project does not work with, with another than
the one asked for, or made for another folder, as after the project was copied or moved. The output of pip goes to
.venv/install.log.
"""

import argparse
import fcntl
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

LAST_LINES = 30
"""Lines of pip's log that are shown after a failure."""


def main(root: Path, exactly: bool) -> None:
    """Make or complete `root/.venv`; do nothing if it is complete. Wait while another process does it.

    Args:
        root: folder of the project.
        exactly: the environment must be of the Python that runs this, not only of one that the project works with.

    Raises:
        SystemExit: this Python does not fit, or the installation failed; the message says so.
    """
    with (root / "pyproject.toml").open("r+b") as held:  # r+: a lock on NFS needs a file open for writing
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another make is installing into .venv; waiting for it", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        _complete(root, exactly)


def _complete(root: Path, exactly: bool) -> None:
    venv, project, constraints = root / ".venv", root / "pyproject.toml", root / "constraints.txt"
    oldest, newest = supported_versions(project)
    own = sys.version_info[:2]
    unusable = reason_to_renew(venv, oldest, newest, own if exactly else None)
    if unusable or not venv.exists():
        if not oldest <= own <= newest:
            others = (f"python3.{minor}" for minor in range(newest[1], oldest[1] - 1, -1))
            other = next(filter(shutil.which, others), f"python{dotted(newest)}, once it is installed")
            sys.exit(
                f"error: Python {dotted(own)} found ({sys.executable}); {dotted(oldest)} to {dotted(newest)} needed: "
                f"make PYTHON={other}"
            )
        if unusable:
            print(f"{unusable}; recreating it", flush=True)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", str(venv)]):
            sys.exit(f"error: {sys.executable} -m venv failed, see above")
    _install(root, venv, max(project.stat().st_mtime, constraints.stat().st_mtime))


def _install(root: Path, venv: Path, changed: float) -> None:
    installed, log = venv / "installed", venv / "install.log"
    if installed.exists() and installed.stat().st_mtime >= changed:
        return
    size = "; about 6 GB on Linux, 2 GB with a torch without CUDA (docs/gpu.md)"
    print(
        f"installing the pinned packages into .venv, for some minutes{'' if installed.exists() else size}", flush=True
    )
    start = time.monotonic()
    python = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    with log.open("wb") as output:
        code = subprocess.call(
            [*python, "--constraint", "constraints.txt", "--editable", ".[dev]"],
            cwd=str(root),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(lines[-LAST_LINES:]), file=sys.stderr)
        sys.exit(f"error: pip failed, see above; all that it said is in {log}")
    installed.touch()
    print(f"installed in {time.monotonic() - start:.0f} s; the log is .venv/install.log", flush=True)


def supported_versions(project: Path) -> "tuple[tuple[int, int], tuple[int, int]]":
    """Return the oldest and the newest Python of `requires-python` in pyproject.toml."""
    bounds = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project.read_text(encoding="utf-8"))
    assert bounds is not None
    return (3, int(bounds[1])), (3, int(bounds[2]) - 1)


def reason_to_renew(
    venv: Path, oldest: "tuple[int, int]", newest: "tuple[int, int]", wanted: "tuple[int, int] | None"
) -> "str | None":
    """Return why an environment cannot be used; None if it can, or is missing.

    Args:
        venv: its folder.
        oldest: lowest version of Python that the project works with.
        newest: highest version.
        wanted: the only version that will do; None for any from `oldest` to `newest`.
    """
    if not venv.exists():
        return None
    try:
        ask = [str(venv / "bin" / "python"), "-c", "import sys; print(*sys.version_info[:2])"]
        major, minor = subprocess.check_output(ask, stderr=subprocess.DEVNULL).split()
        script = (venv / "bin" / "pip").read_bytes()[:500].decode("utf-8", "replace")
    except (OSError, ValueError, subprocess.SubprocessError):
        return ".venv is not complete, or its Python is gone"
    version = int(major), int(minor)
    if not oldest <= version <= newest or wanted not in (None, version):
        return f".venv uses Python {dotted(version)}"
    interpreter = re.search(r"/.*/bin/python", script)
    if interpreter is None or Path(interpreter[0]).parent.resolve() != (venv / "bin").resolve():
        return ".venv was made for another folder"
    return None


def dotted(version: "tuple[int, int]") -> str:
    """Return a version as people write it: `3.11`."""
    return f"{version[0]}.{version[1]}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python3 pipeline/install.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exactly", action="store_true", help="make .venv anew if it uses another Python than this")
    try:
        main(Path(__file__).resolve().parent.parent, parser.parse_args().exactly)
    except KeyboardInterrupt:
        sys.exit("interrupted; give the command again to continue")
