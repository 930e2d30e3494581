"""Runs to reproduce, and the comparison of metrics; tests/integration/test_reproduce.py trains real runs again."""

import math
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.reproduce.__main__ import commit_of, params_of_run, require_code, stages_to_repeat
from pipeline.reproduce.clone import succeeds, temporary_clone
from pipeline.reproduce.comparison import conclude, format_pairs, pair_metrics
from pipeline.reproduce.data import bring_files
from pipeline.reproduce.record import find_training
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.sweep.parent_run import OBJECTIVE
from pipeline.tracking.finished_runs import FinishedRun
from pipeline.tracking.provenance import git_commit, source_sha256
from tests.conftest import composed
from tests.support.registration import misleading, store  # noqa: F401

MADE_FROM = {"stage": "train", "git.commit": "a" * 40, "git.dirty": "false", "code.sha256": "b", "data.md5": "c.dir"}
HARDWARE = {"hardware.device": "cpu", "hardware.precision": "32-true", "hardware.threads": "3"}


def recorded(store, status="FINISHED", without=(), **tags) -> str:  # noqa: F811
    """Create a run in the store; return its id."""
    tags = {key: value for key, value in {**MADE_FROM, **tags}.items() if key not in without}
    run = store.client.create_run(store.experiment_id, tags=tags)
    for key, value in HARDWARE.items():
        store.client.log_param(run.info.run_id, key, value)
    if "metrics" not in without:
        store.client.log_metric(run.info.run_id, OBJECTIVE, 0.5)
    if status != "RUNNING":
        store.client.set_terminated(run.info.run_id, status)
    return run.info.run_id


def test_a_training_is_found_by_its_id_and_by_its_version(store):  # noqa: F811
    run_id = recorded(store)
    store.client.create_registered_model("sentiment")
    store.client.create_model_version("sentiment", f"{store.client.get_run(run_id).info.artifact_uri}/model", run_id)
    store.client.set_registered_model_alias("sentiment", "champion", "1")
    for name in (run_id, "models:/sentiment@champion", "models:/sentiment/1"):
        assert find_training(store, name).run_id == run_id


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"status": "RUNNING"}, "is RUNNING; only a FINISHED run"),
        ({"status": "FAILED"}, "is FAILED; only a FINISHED run"),
        ({"stage": "sweep"}, "is of the stage sweep; use the id of a training run"),
        ({"source.run_id": "d" * 32}, f"is a placeholder for run {'d' * 32} of another store"),
        ({"git.commit": "unknown"}, "recorded without its git.commit"),
        ({"without": ["data.md5"]}, "recorded without its data.md5"),
        ({"without": ["metrics"]}, "recorded without its metrics"),
    ],
)
def test_a_run_that_cannot_be_reproduced_is_refused(store, run, message):  # noqa: F811
    with pytest.raises(PipelineError, match=message):
        find_training(store, recorded(store, **run))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0" * 32, "has no such run; `make ui` shows the ids of all runs"),
        ("grid: lr", "has no such run; `make ui` shows the ids of all runs"),
        ("models:/sentiment@champion", "has no such alias"),
        ("models:/sentiment", "write a version as models:/sentiment@champion"),
        ("models:/sentiment/7", "has no such version; `make ui` shows all versions"),
    ],
)
def test_a_run_or_version_that_does_not_exist_is_one_line(store, name, message, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setattr(sys, "argv", ["reproduce", name])
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("pipeline.reproduce", run_name="__main__")
    signal.signal(signal.SIGTERM, handler)
    printed = capsys.readouterr()
    assert end.value.code == 1
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path) -> Path:
    """A repository with some code."""
    project = tmp_path / "project"
    (project / "pipeline").mkdir(parents=True)
    (project / "pipeline" / "code.py").write_text("first = 1\n")
    git(tmp_path, "init", "--quiet", str(project))
    git(project, "config", "user.name", "A Tester")
    git(project, "config", "user.email", "tester@example.org")
    commit(project)
    return project


def commit(project: Path) -> str:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "A step")
    return git_commit(project)


def run_at(project: Path, **tags: str) -> FinishedRun:
    """Return a run of the project's present commit and code."""
    made_from = {"git.commit": git_commit(project), "code.sha256": source_sha256(project), "git.dirty": "false"}
    return FinishedRun("e" * 32, {**made_from, **tags}, HARDWARE, {"test/accuracy": 1.0})


def test_the_clone_is_at_the_runs_commit_and_is_removed_whatever_happens(project):
    run = run_at(project)
    (project / "pipeline" / "code.py").write_text("second = 2\n")
    later = commit(project)
    with pytest.raises(KeyboardInterrupt), temporary_clone(project, commit_of(project, run, None)) as clone:
        require_code(run, clone, None)
        assert (clone / "pipeline" / "code.py").read_text() == "first = 1\n"
        raise KeyboardInterrupt
    assert not clone.parent.exists()
    assert git_commit(project) == later
    assert git(project, "status", "--porcelain") == ""


def test_a_commit_that_was_amended_since_is_found(project):
    run = run_at(project)
    git(project, "commit", "--quiet", "--amend", "--message", "Other words")
    with temporary_clone(project, commit_of(project, run, None)) as clone:
        assert git_commit(clone) == run.tags["git.commit"]


def test_a_commit_of_another_repository_is_refused(project):
    run = run_at(project, **{"git.commit": "f" * 40})
    with pytest.raises(PipelineError, match=f"commit {'f' * 40}, which this repository does not have; `git fetch`"):
        commit_of(project, run, None)
    with pytest.raises(PipelineError, match="--commit --help: the repository has no such commit"):
        commit_of(project, run, "--help")


def test_uncommitted_code_is_refused_until_its_commit_is_chosen(project):
    (project / "pipeline" / "code.py").write_text("second = 2\n")
    run = run_at(project, **{"git.dirty": "true"})
    with (
        temporary_clone(project, commit_of(project, run, None)) as clone,
        pytest.raises(PipelineError, match="with uncommitted changes in pipeline/; if they are committed by now"),
    ):
        require_code(run, clone, None)
    chosen = commit(project)
    with temporary_clone(project, commit_of(project, run, chosen[:10])) as clone:
        require_code(run, clone, chosen)


def test_uncommitted_changes_outside_the_code_are_a_warning(project, caplog):
    run = run_at(project, **{"git.dirty": "true"})
    with temporary_clone(project, commit_of(project, run, None)) as clone:
        require_code(run, clone, None)
    assert "uncommitted changes, but none in pipeline/" in caplog.text


def test_a_command_runs_with_the_code_and_the_store_of_the_clone(project, monkeypatch):
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, str(project))
    (project / "pipeline" / "__init__.py").touch()
    (project / "pipeline" / "code.py").write_text(
        "import os, pathlib, sys\n"
        "here = pathlib.Path(__file__).resolve().parents[1]\n"
        "ours = pathlib.Path.cwd() == here and f'{here}/mlflow.db' in os.environ['MLFLOW_TRACKING_URI']\n"
        "sys.exit(0 if ours and not {'DVC_ROOT', 'MLFLOW_REGISTRY_URI'} & {*os.environ} else 3)\n"
    )
    with temporary_clone(project, commit(project)) as clone:
        assert succeeds(clone, "pipeline.code", quiet=True)
        assert not succeeds(clone, "pipeline.nothing", quiet=True)


def test_the_parameters_are_those_of_the_run_and_its_hardware():
    config = {key: value for key, value in composed("model=gru").items() if key not in ("tracking", "sweep")}
    config["evaluation"]["memory_ladder"]["fingerprint"] = "sha256:0"
    values = params_of_run(run_at(WORKSPACE), config, WORKSPACE)
    assert values["model"]["cell"] == "gru"
    assert values["trainer"] == {"accelerator": "cpu", "precision": "32-true", "threads": 3, "processes": 1}
    assert values["evaluation"]["memory_ladder"]["fingerprint"] is None
    assert {"tracking", "sweep"} <= set(values)


def test_all_stages_between_data_and_metrics_are_repeated():
    run = run_at(WORKSPACE)
    trained = ["preprocess", "pretrain", "pseudo_label", "train"]
    assert stages_to_repeat(run, WORKSPACE) == [*trained, "evaluate"]
    not_evaluated = FinishedRun(run.run_id, run.tags, run.params, {"train/best_epoch": 1.0})
    assert stages_to_repeat(not_evaluated, WORKSPACE) == trained


def test_the_users_own_files_are_linked_unless_they_have_changed(tmp_path, monkeypatch):
    project, clone = tmp_path / "mine" / "all" / "project", tmp_path / "temporary" / "reproduce-1" / "project"
    (project / "my").mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(project))
    clone.mkdir(parents=True)
    pairs = project / "my" / "pairs.csv"
    pairs.write_text("then")
    (tmp_path / "mine" / "out.csv").write_text("outside of the project")
    section = {"path": "my/pairs.csv", "fingerprint": f"sha256:{file_digest(pairs, 'sha256')}"}
    config = {"evaluation": {"contrast_pairs": section}, "corpus": {"path": "../../out.csv", "url": "https://a/b"}}
    bring_files(project, clone, config)
    assert (clone / "my" / "pairs.csv").read_text() == "then"
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == ["reproduce-1"]
    (clone / "my" / "pairs.csv").unlink()
    (clone / "my" / "pairs.csv").write_text("as committed, before an edit that the run read")
    bring_files(project, clone, config)
    assert (clone / "my" / "pairs.csv").read_text() == pairs.read_text() == "then"
    pairs.write_text("now")
    with pytest.raises(PipelineError, match=f"^{pairs} .*has changed since the run"):
        bring_files(project, clone, config)


def test_folders_patterns_and_unlabelled_texts_are_linked(tmp_path, monkeypatch):
    project, clone = tmp_path / "project", tmp_path / "temporary" / "reproduce-1" / "project"
    monkeypatch.setenv("DVC_ROOT", str(project))
    clone.mkdir(parents=True)
    for name in ("all/film/one.csv", "all/two.csv", "more-1.txt", "more-2.txt", "less.txt"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(name)
    bring_files(project, clone, {"corpus": {"path": "all", "unlabelled": "more-*.txt"}})
    found = sorted(str(file.relative_to(clone)) for file in clone.rglob("*") if file.is_file())
    assert found == ["all/film/one.csv", "all/two.csv", "more-1.txt", "more-2.txt"]


def test_metrics_that_vary_from_run_to_run_are_not_compared():
    pairs = pair_metrics({"test/a": 1.0, "speed/x": 2.0, "system/y": 3.0}, {"test/a": 1.0})
    assert [pair.name for pair in pairs] == ["test/a"]


def test_with_a_tolerance_only_metrics_of_whole_splits_count():
    run = {
        "test/a": 1.0,
        "parts/lstm/accuracy": 1.0,
        "val/loss": 1.0,
        "train/best_epoch": 2.0,
        "train/grad_norm": 3.0,
        "worst_slice/reviews": 9.0,
    }
    assert [pair.name for pair in pair_metrics(run, {}, 0.1)] == ["parts/lstm/accuracy", "test/a", "val/loss"]


@pytest.mark.parametrize(
    ("now", "tolerance", "same_weights", "expected"),
    [
        ({"a": 0.5, "b": math.nan}, 0, True, "reproduced: all 2 metrics equal"),
        ({"a": 0.5, "b": math.nan}, 0, None, "reproduced: all 2 metrics equal"),
        ({"a": 0.51, "b": math.nan}, 0.1, False, "reproduced: all 2 metrics equal within 0.1"),
        ({"a": 0.5, "b": math.nan}, 0, False, "not reproduced: all 2 metrics equal, but the weights differ"),
        ({"a": 0.5}, 9, False, "not reproduced: 1 of 2 metrics differ, most of all b: nan, now missing"),
        (
            {"a": math.nextafter(0.5, 1), "b": math.nan},
            0,
            True,
            "not reproduced: 1 of 2 metrics differ, most of all a: 0.5, now 0.5000000000000001; "
            "the weights are equal: the run was evaluated with other code or settings",
        ),
        ({"a": 0.7, "b": 1.0}, 0.1, False, "not reproduced: 2 of 2 metrics differ, most of all b: nan, now 1.0"),
    ],
)
def test_the_conclusion(now, tolerance, same_weights, expected):
    reproduced, conclusion = conclude(pair_metrics({"a": 0.5, "b": math.nan}, now), tolerance, same_weights)
    assert conclusion == expected
    assert reproduced == conclusion.startswith("reproduced")


def test_the_table_has_each_metric_beside_the_new_one():
    lines = format_pairs(pair_metrics({"test/b": 0.25, "a": 1.0, "c": 2.0}, {"test/b": 0.5, "a": 1.0})).splitlines()
    assert [line.split() for line in lines] == [
        ["metric", "run", "now", "difference"],
        ["a", "1.0", "1.0"],
        ["c", "2.0", "missing", "inf"],
        ["test/b", "0.25", "0.5", "0.25"],
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stage_that_is_just_starting_is_ended_too(project, tmp_path, number, code):
    """The signal arrives when the stage is running, but `Popen` has not returned yet."""
    stage = f"import os, time\nopen({str(tmp_path / 'stage')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    (project / "pipeline" / "__init__.py").touch()
    (project / "pipeline" / "stage.py").write_text(stage)
    command = f"""
import os, pathlib, signal, subprocess, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # `nohup make test &` lets it be ignored
from pipeline.cli import tidy_exit
from pipeline.reproduce.clone import succeeds

class SlowToReturn(subprocess.Popen):
    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        while not pathlib.Path({str(tmp_path / "stage")!r}).exists():
            time.sleep(0.05)
        os.kill(os.getpid(), {int(number)})

subprocess.Popen = SlowToReturn
with tidy_exit():
    succeeds(pathlib.Path({str(project)!r}), "pipeline.stage")
"""
    ended = subprocess.run([sys.executable, "-c", command], cwd=WORKSPACE, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert ended.stderr in ("interrupted\n", "terminated\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "stage").read_text()), 0)
