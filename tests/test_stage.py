"""Checks of a stage's inputs, and the lock that keeps other commands away from them."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.runtime import pipeline_lock
from pipeline.runtime.code_digest import Code
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.pipeline_lock import Holder, acquire, dvc_process, record_params, require_own
from pipeline.runtime.records import write_json
from pipeline.stage import Inputs, require_recorded_code
from tests.support.commands import SmallProject, judged, prepared

__all__ = ["judged", "prepared"]  # fixtures


@pytest.fixture
def own(judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """Copy a small project after evaluation, to change it."""
    shutil.copytree(judged, tmp_path / "own")
    return SmallProject(tmp_path / "own", monkeypatch)


@pytest.fixture
def another() -> Iterator[Holder]:
    """Start a process that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield Holder.of(psutil.Process(process.pid))
        process.kill()


def test_another_command_is_kept_out_while_the_holder_lives(tmp_path: Path, another: Holder) -> None:
    mine = Holder.of(psutil.Process())
    acquire(tmp_path, another)
    acquire(tmp_path, another)  # compose, after `dvc exp run` has composed
    for holder in (mine, None):
        with pytest.raises(PipelineError, match=rf"another command \(process {another.pid}\) runs the pipeline in"):
            acquire(tmp_path, holder)
        with pytest.raises(PipelineError, match="another command"):
            require_own(tmp_path, holder, None)
    process = psutil.Process(another.pid)
    process.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    acquire(tmp_path, mine)
    with pytest.raises(PipelineError, match="another command"):
        require_own(tmp_path, another, None)


def test_a_process_number_that_was_reused_holds_no_lock(tmp_path: Path, another: Holder) -> None:
    acquire(tmp_path, another.model_copy(update={"started": another.started - 60}))
    acquire(tmp_path, Holder.of(psutil.Process()))


def test_a_free_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    acquire(tmp_path, None)
    record_params(tmp_path, None, "digest")
    require_own(tmp_path, None, "digest")
    assert list(tmp_path.iterdir()) == []


def test_a_stage_runs_only_what_its_own_command_composed(tmp_path: Path, another: Holder) -> None:
    acquire(tmp_path, another)
    require_own(tmp_path, another, "any digest")  # `dvc exp run` has composed, `compose` has not checked yet
    record_params(tmp_path, another, "composed")
    require_own(tmp_path, another, "composed")
    with pytest.raises(PipelineError, match="is no longer what this command composed: another command has changed it"):
        require_own(tmp_path, another, "of another command")


DVC = """
import os, subprocess, sys
print(os.getpid(), flush=True)
sys.exit(subprocess.call(sys.argv[1:]))
"""


def test_the_holder_is_dvc_however_it_starts_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc").write_text(DVC)
    ask = f"{sys.executable} -c 'from pipeline.runtime.pipeline_lock import dvc_process; print(dvc_process().pid)'"
    monkeypatch.setenv(pipeline_lock.STAGE_VARIABLE, "train")
    assert dvc_process() is None  # not started by DVC
    for shell in (["bash", "-c", ask], ["bash", "-c", f"{ask}; true"], ["nice", "bash", "-c", ask]):
        command = [sys.executable, str(tmp_path / "dvc"), *shell]
        started = subprocess.run(command, capture_output=True, text=True, check=True, cwd=WORKSPACE)
        dvc, holder = started.stdout.split()
        assert holder == dvc
    monkeypatch.delenv(pipeline_lock.STAGE_VARIABLE)
    assert dvc_process() is None


def test_a_stage_runs_only_the_code_whose_digest_dvc_records(tmp_path: Path) -> None:
    file = tmp_path / "code.yaml"
    digests = Code().stage_digests()
    file.write_text(yaml.safe_dump(digests))
    require_recorded_code("train", file)
    require_recorded_code("a stage of another's", file)
    file.write_text(yaml.safe_dump(digests | {"train": "other"}))
    require_recorded_code("evaluate", file)
    with pytest.raises(PipelineError, match=r"the code of train was edited since .*code\.yaml was written; run"):
        require_recorded_code("train", file)


def test_inputs_that_change_appear_or_vanish_are_noticed(tmp_path: Path) -> None:
    file, folder, missing = tmp_path / "file", tmp_path / "folder", tmp_path / "missing"
    file.write_text("a")
    folder.mkdir()
    (folder / "weights").write_text("a")
    inputs = Inputs.note(file, folder, missing)
    inputs.require_unchanged()
    for path, change in (
        (file, lambda: file.write_text("b")),
        (folder, lambda: (folder / "weights").write_text("b")),
        (missing, lambda: missing.write_text("there")),
        (file, file.unlink),
    ):
        noted = Inputs.note(path)
        change()
        with pytest.raises(PipelineError, match=f"{path} was changed by another command while this one used it"):
            noted.require_unchanged()


def test_a_check_of_one_input_leaves_the_others_out(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("a")
    other.write_text("a")
    inputs = Inputs.note(file, other)
    other.write_text("b")
    inputs.require_unchanged(file)
    with pytest.raises(PipelineError, match=f"{other} was changed"):
        inputs.require_unchanged()


@pytest.mark.parametrize(
    ("stage", "change", "message"),
    [
        ("preprocess", {"corpus.text_column": "text"}, "corpus.text_column: 'text' is asked for, but data was made"),
        ("pretrain", {"split.seed": 9}, "split.seed: 9 is asked for, but artifacts/dataset was made with 1"),
        ("pseudo_label", {"text.max_tokens": 9}, "text.max_tokens: 9 is asked for, but artifacts/dataset was made"),
        ("evaluate", {"training.lr": 0.5}, "training.lr: 0.5 is asked for, but .*artifacts/model was made with 0.002"),
        ("register", {"seed": 9}, "seed: 9 is asked for, but .*artifacts/model was made with 1; .*--force train`"),
    ],
)
def test_a_stage_refuses_what_was_made_for_another_configuration(
    own: SmallProject,
    capfd: pytest.CaptureFixture[str],
    stage: str,
    change: dict[str, object],
    message: str,
) -> None:
    values = yaml.safe_load((own.root / "params.yaml").read_text())
    for key, value in change.items():
        section, _, name = key.rpartition(".")
        (values[section] if section else values)[name] = value
    (own.root / "params.yaml").write_text(json.dumps(values))
    before = own.contents()
    assert own.run(stage) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert own.contents() == before


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("artifacts/run.json", "artifacts/model was not written by the run in run.json beside it"),
        ("artifacts/dataset/dataset.json", "artifacts/model was not trained on the dataset beside it"),
    ],
)
def test_a_model_of_another_run_or_dataset_is_not_judged(
    own: SmallProject,
    capfd: pytest.CaptureFixture[str],
    file: str,
    message: str,
) -> None:
    path = own.root / file
    write_json(path, {**json.loads(path.read_text()), "model": "0" * 64, "digest": "0" * 64})
    assert own.run("evaluate") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert re.search(message, line), line


@pytest.mark.parametrize("name", ["reports/details.json", "artifacts/predictions.parquet"])
def test_a_verdict_on_something_else_registers_nothing(
    own: SmallProject,
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    (own.root / name).write_text("{}")
    assert own.run("register") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{name} is not the one that reports/verdict.json is about" in line
    assert not (own.root / "reports" / "registration.json").exists()
