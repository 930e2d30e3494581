"""The environment that `make setup` makes; its Python is a script here, since a real one takes minutes to fill."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import install
from pipeline.install import dotted, main, reason_to_renew

OWN = sys.version_info[:2]
OLDEST, NEWEST = (3, 11), (3, 13)


def environment(root: Path, version: str = dotted(OWN), pip: str = "exit 0", made_in: Path | None = None) -> Path:
    """Make a project with an environment whose Python tells this version, and does `pip` when pip is to install."""
    bin_ = root / ".venv" / "bin"
    bin_.mkdir(parents=True)
    (root / "pyproject.toml").write_text(f'requires-python = ">={dotted(OWN)},<3.{OWN[1] + 1}"\n')
    (root / "constraints.txt").touch()
    script = f'#!/bin/sh\nif [ "$1" = -c ]; then echo {version.replace(".", " ")}; else {pip}; fi\n'
    (bin_ / "python").write_text(script)
    (bin_ / "python").chmod(0o755)
    (bin_ / "pip").write_text(f"#!{made_in or root}/.venv/bin/python3\n")
    return bin_.parent


def test_an_environment_of_this_folder_and_a_python_that_will_do_is_kept(tmp_path):
    root = tmp_path / "bin" / "python-projects"
    venv = environment(root, "3.12")
    assert reason_to_renew(venv, OLDEST, NEWEST, None) is None
    assert reason_to_renew(venv, OLDEST, NEWEST, (3, 12)) is None
    assert reason_to_renew(root / "missing", OLDEST, NEWEST, (3, 12)) is None


def test_another_one_is_made_anew(tmp_path):
    old, newer, copied, broken = (tmp_path / name for name in ("old", "newer", "copied", "broken"))
    assert reason_to_renew(environment(old, "3.10"), OLDEST, NEWEST, None) == ".venv uses Python 3.10"
    assert reason_to_renew(environment(newer, "3.13"), OLDEST, NEWEST, (3, 11)) == ".venv uses Python 3.13"
    elsewhere = environment(copied, "3.12", made_in=old)
    assert reason_to_renew(elsewhere, OLDEST, NEWEST, None) == ".venv was made for another folder"
    venv = environment(broken)
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/python/that/is/gone")
    assert reason_to_renew(venv, OLDEST, NEWEST, None) == ".venv is not complete, or its Python is gone"


def test_a_python_that_will_not_do_is_refused_in_one_line_and_nothing_is_changed(tmp_path):
    venv = environment(tmp_path, "3.10")
    (tmp_path / "pyproject.toml").write_text('requires-python = ">=3.97,<3.99"\n')
    with pytest.raises(SystemExit, match=rf"^error: Python {dotted(OWN)} found .*; 3.97 to 3.98 needed: make PYTHON=p"):
        main(tmp_path, exactly=False)
    assert (venv / "bin" / "python").exists()


def test_of_two_at_once_one_installs_and_the_other_waits_for_it(tmp_path):
    venv = environment(tmp_path, pip="echo installing; sleep 2")
    (tmp_path / "pipeline").mkdir()
    shutil.copy(install.__file__, tmp_path / "pipeline")
    command = [sys.executable, "-I", "pipeline/install.py"]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    shown = sorted(process.communicate(timeout=60)[0] for process in both)
    assert shown[0] == "another make is installing into .venv; waiting for it\n"
    assert shown[1].startswith("installing the pinned packages")
    assert (venv / "install.log").read_text() == "installing\n"


def test_pip_is_quiet_until_it_fails(tmp_path, capsys):
    venv = environment(tmp_path, pip="echo chatter; exit 3")
    with pytest.raises(SystemExit, match="error: pip failed"):
        main(tmp_path, exactly=False)
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1 and shown.err == "chatter\n"
    assert not (venv / "installed").exists()

    (venv / "bin" / "python").write_text((venv / "bin" / "python").read_text().replace("exit 3", "exit 0"))
    main(tmp_path, exactly=False)
    assert "chatter" not in "".join(capsys.readouterr())
    assert (venv / "install.log").read_text() == "chatter\n"
    main(tmp_path, exactly=True)
    assert capsys.readouterr().out == ""  # it is complete
