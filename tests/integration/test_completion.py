"""Completion in a real fish and a real zsh."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.completion import SCRIPTS
from pipeline.runtime.paths import WORKSPACE

ZSHRC = """autoload -U compinit; compinit -D
eval "$(sentiment completion zsh)"
unset zle_bracketed_paste; unsetopt prompt_sp
PS1='ready> '
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """PATH with a `sentiment` of this checkout at its beginning."""
    script = tmp_path / "sentiment"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{WORKSPACE}" exec "{sys.executable}" -m pipeline "$@"\n')
    script.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def shell(name: str) -> str:
    """Return the path of a shell; skip the test if it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs Debian's {name}: apt-get install {name}")
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sentiment pre", {"predict", "preprocess", "pretrain"}),
        ("sentiment train trainer=", {"trainer=auto", "trainer=cpu", "trainer=ddp", "trainer=gpu"}),  # and no files
        ("sentiment train corpus.path=LIC", {"corpus.path=LICENSE"}),
        ("sentiment predict --model conf/corp", {"conf/corpus/"}),
    ],
)
def test_fish(line: str, expected: set[str], path: str) -> None:
    told = subprocess.run(
        [shell("fish"), "--no-config", "-c", f"{SCRIPTS['fish']}; complete -C '{line}'"],
        cwd=WORKSPACE,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert {row.split("\t")[0] for row in told.stdout.splitlines()} == expected, told.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cd . && sentiment predi", "ct "),  # a list of commands, of which the last is completed
        ("sentiment train training.sched", "ule="),
        ("sentiment train seed=2 model=gr", "u "),
        ("sentiment train corpus.path=LIC", "ENSE "),
    ],
)
def test_zsh(line: str, expected: str, path: str, tmp_path: Path) -> None:
    command = shell("zsh")
    (tmp_path / ".zshrc").write_text(ZSHRC)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(WORKSPACE)
        os.execve(command, ["zsh", "-i"], {"PATH": path, "TERM": "dumb", "ZDOTDIR": str(tmp_path)})
    try:
        receive(terminal, "ready> ")
        os.write(terminal, f"{line}\t".encode())
        receive(terminal, line + expected)
    finally:
        os.close(terminal)  # hangs up, which ends the shell
        os.waitpid(process, 0)


def receive(terminal: int, expected: str) -> None:
    """Read from a terminal until it has shown a text."""
    shown, deadline = "", time.monotonic() + 30
    while expected not in shown.replace("\r", ""):
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode()
