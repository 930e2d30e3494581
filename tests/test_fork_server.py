"""A command that the fork server runs is as the interpreter itself would run it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the tests do without it")

TOLD = """
import json, os, signal, sys
import psutil
parents = [parent.pid for parent in psutil.Process().parents()]
module = [__name__, __spec__.name, __file__]
arguments = [sys.argv, sys.orig_argv[1:], list(sys.flags)]
process = [os.getcwd(), sys.path, os.environ["DVC_TOLD"], sys.stdin.read()]
print(json.dumps([parents, [module, arguments, process], "torch" in sys.modules]), flush=True)
print("an error", file=sys.stderr)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def project(tmp_path) -> Project:
    """A folder with a command that tells about its process."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").touch()
    (tmp_path / "pipeline" / "told.py").write_text(TOLD)
    return Project(tmp_path)


def told(found: subprocess.CompletedProcess[str]) -> list:
    assert found.stderr == "an error\n"
    return json.loads(found.stdout)


@pytest.mark.parametrize(("end", "code"), [("0", 0), ("3", 3), ("killed", -9)])
def test_a_fork_is_a_process_as_any_other(project, end, code):
    command = ("-m", "pipeline.told", end, "ü")
    environment = {**os.environ, "DVC_TOLD": "yes"}
    real = subprocess.run(
        [sys.executable, *command],
        cwd=project.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    fork = project.run("python", *command, check=False, DVC_TOLD="yes")
    assert fork.returncode == real.returncode == code
    (_, expected, _), (parents, got, forked) = told(real), told(fork)
    assert got == expected
    assert forked
    assert os.getpid() in parents


def test_a_setting_that_imports_may_see_needs_the_real_interpreter(project):
    for setting in ({"LC_ALL": "C"}, {"PYTHONPATH": "elsewhere"}, {"OMP_NUM_THREADS": "2"}):
        assert not told(project.run("python", "-m", "pipeline.told", "0", DVC_TOLD="yes", **setting))[2]


WAITING = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(os.getpid(), flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 7), (signal.SIGKILL, -9)])
def test_a_fork_gets_the_signals_of_its_caller(project, number, code):
    (project.root / "pipeline" / "waiting.py").write_text(WAITING)
    process = project.start("python", "-m", "pipeline.waiting")
    fork = psutil.Process(int(process.stdout.readline()))
    process.send_signal(number)
    assert process.wait(timeout=300) == code
    fork.wait(timeout=300)


def test_dvc_is_a_fork_that_its_stages_find(project):
    (project.root / "dvc.yaml").write_text("stages: {one: {cmd: python -m pipeline.told 0, deps: [pipeline]}}")
    (project.root / "pipeline" / "told.py").write_text(
        "import psutil\nprint([process.cmdline()[1:2] for process in psutil.Process().parents()])"
    )
    project.run("git", "init", "--quiet")
    project.run("dvc", "init", "--quiet")
    (dvc,) = re.findall(r"\['([^']*/bin/dvc)'\]", project.run("dvc", "repro").stdout)
    assert dvc == str(Path(sys.executable).with_name("dvc"))
