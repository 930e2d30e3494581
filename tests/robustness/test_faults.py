"""Leftovers of killed processes block nothing and are removed; two processes at once wait for each other."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.registry.champion import registration_lock
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.paths import WORKSPACE
from tests.conftest import Project
from tests.support.registration import (  # noqa: F401
    aliases,
    misleading,
    outcome,
    store,
    versions,
    workspace,
)
from tests.torture.checks import content, leftovers, registry_faults
from tests.torture.killing import repro

REGISTER = """
import os
import sys
from pathlib import Path
from pipeline.cli import tidy_exit
from tests.support.registration import outcome
os.environ["MLFLOW_TRACKING_URI"] = sys.argv[2]
with tidy_exit():
    outcome(Path(sys.argv[1]))
"""


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for left in (f".model.{dead_process()}.tmp", f".model.{os.getpid()}.tmp", f".model.{dead_process()}.old.tmp"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "half").touch()
    others = {f".model.{os.getppid()}.tmp", f".model.json.{dead_process()}.tmp"}
    for name in others:
        (tmp_path / name).touch()
    with replace(path) as temporary:
        temporary.mkdir()
        write_text(temporary / "weights", "new")
    assert [file.name for file in path.iterdir()] == ["weights"]
    assert {file.name for file in tmp_path.iterdir()} == {"model", *others}


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_text(path / "weights", "old")
    with pytest.raises(FileNotFoundError), replace(path):
        pass  # nothing is written to take its place
    assert (path / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_registering_waits_for_another_process_that_registers(store, tmp_path: Path) -> None:  # noqa: F811
    folder = workspace(tmp_path / "w", errors=0)
    with registration_lock(store):
        command = [sys.executable, "-c", REGISTER, str(folder), store.uri]
        waiting = subprocess.Popen(command, cwd=WORKSPACE, stderr=subprocess.PIPE, text=True)
        while "another process registers a model; waiting" not in (line_read := waiting.stderr.readline()):
            assert line_read, "it did not wait"
        assert versions(store) == []
    assert outcome(folder)["version"] == "1"
    waiting.communicate(timeout=600)
    assert waiting.returncode == 0
    assert versions(store) == ["1"]
    assert aliases(store) == ("1", None)


@pytest.mark.parametrize("then", ["log_model_artifacts", "create_model_version"])
def test_what_a_killed_registration_had_logged_goes(
    store,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
) -> None:
    folder = workspace(tmp_path / "w", errors=0)

    def killed(*_arguments, **_keywords):
        raise KeyboardInterrupt

    with monkeypatch.context() as now, pytest.raises(KeyboardInterrupt):
        now.setattr(MlflowClient, then, killed)
        outcome(folder)
    (half,) = store.client.search_logged_models([store.experiment_id])
    assert outcome(folder)["registered"]
    (left,) = store.client.search_logged_models([store.experiment_id])
    assert left.model_id != half.model_id
    assert left.status == "READY"
    assert len(list((tmp_path / "store").rglob("MLmodel"))) == 1
    assert len(store.client.search_runs([store.experiment_id])) == 1


def test_a_registration_killed_at_any_moment_is_made_whole_by_the_next(trained: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    trained.copy_to(project.root)
    metrics, model = (content(project.root / name) for name in ("reports/details.json", "artifacts/model"))
    for name in ("mlflow.db", "mlartifacts", "artifacts/registered.json"):  # so that DVC has it registered again
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    moment, environment = random.Random(1), {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for _ in range(2):
        with repro(project, tmp_path / "log", **environment) as run:
            assert run.wait_for("register"), run.printed
            run.wait(moment.uniform(1, 5))
            run.kill()
    project.run("dvc", "repro")
    assert [content(project.root / name) for name in ("reports/details.json", "artifacts/model")] == [metrics, model]
    assert [*leftovers(project.root), *registry_faults(project.root)] == []


def ended(process: subprocess.Popen[str], line: str, send: signal.Signals) -> tuple[int, list[str]]:
    """Send a signal once the process has printed the line; return its exit code and what it printed after that."""
    while line not in (line_read := process.stderr.readline()):
        assert line_read, "it ended before"
    process.send_signal(send)
    errors = process.communicate(timeout=300)[1]
    return process.returncode, [line for line in errors.splitlines() if not line.startswith("import time:")]


@pytest.mark.parametrize(
    ("options", "line", "send", "expected"),
    [
        (("-X", "importtime"), "numpy", "SIGINT", (130, "interrupted")),
        (("-X", "importtime"), "numpy", "SIGTERM", (143, "terminated")),
        ((), "baseline: naive", "SIGINT", (130, "interrupted")),
    ],
)
def test_a_stage_ends_tidily_whenever_it_is_told_to(
    trained: Project, tmp_path: Path, options: tuple[str, ...], line: str, send: str, expected: tuple[int, str]
) -> None:
    root = tmp_path / "project"
    trained.copy_to(root)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else deaf, where these tests run in the background
    before = content(root / "reports")
    stage = subprocess.Popen(
        [sys.executable, *options, "-m", "pipeline.evaluate"], cwd=root, stderr=subprocess.PIPE, text=True
    )
    code, output = ended(stage, line, signal.Signals[send])
    assert (code, output[-1]) == expected
    assert "Traceback" not in "".join(output)
    assert content(root / "reports") == before
