"""Provenance of a run: code, data and configuration."""

import subprocess
from pathlib import Path

import pytest

from pipeline.tracking.provenance import config_hash, data_md5, git_commit, git_dirty, origin_of, run_name, shown_tags
from tests.conftest import configuration


def test_provenance_of_a_checkout(tmp_path: Path) -> None:
    assert (git_commit(tmp_path), git_dirty(tmp_path), data_md5(tmp_path)) == ("unknown", "unknown", None)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    (tmp_path / "dvc.lock").write_text("a")
    (tmp_path / "code.py").write_text("a")
    (tmp_path / "data.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    assert len(git_commit(tmp_path)) == 40
    assert data_md5(tmp_path) == "0123456789abcdef0123456789abcdef.dir"
    (tmp_path / "dvc.lock").write_text("b")  # DVC writes it while the pipeline runs
    assert git_dirty(tmp_path) == "false"
    (tmp_path / "code.py").write_text("b")
    assert git_dirty(tmp_path) == "true"


def test_provenance_without_git_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    origin = origin_of(configuration("model=gru"), tmp_path)
    assert (origin["git.commit"], origin["model"]) == ("unknown", "gru")


def test_the_tags_of_a_run_are_few_and_the_commit_is_under_mlflows_own_name() -> None:
    origin = origin_of(configuration()) | {"git.commit": "abc", "command": "python -m pipeline.train"}
    tags = shown_tags(origin)
    assert tags["mlflow.source.git.commit"] == "abc"
    assert sorted(key for key in tags if not key.startswith("mlflow.")) == [
        "config.hash",
        "corpus",
        "git.dirty",
        "model",
    ]
    assert "mlflow.source.git.commit" not in shown_tags(origin | {"git.commit": "unknown"})


def test_the_name_and_hash_of_a_run_follow_what_changes_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    default, gru = configuration(), configuration("model=gru", "model.hidden_dim=32")
    assert run_name(default) == "lstm-128 lr=0.004 movie_reviews"
    assert run_name(gru) == "gru-32 lr=0.004 movie_reviews"
    monkeypatch.setenv("DVC_EXP_NAME", "wider")
    assert run_name(gru) == "wider gru-32 lr=0.004 movie_reviews"
    assert config_hash(default) != config_hash(gru)
    assert config_hash(default) == config_hash(configuration("tracking.experiment=other"))


def test_a_folder_that_git_does_not_trust_is_said_once_with_the_remedy(tmp_path, monkeypatch, caplog):
    for command in (
        ["init", "--quiet"],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    assert git_commit(tmp_path) != "unknown"
    assert not caplog.messages
    for name, value in (
        ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"),
        ("GIT_CONFIG_GLOBAL", ""),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ):
        monkeypatch.setenv(name, value)
    assert git_commit(tmp_path) == git_dirty(tmp_path) == "unknown"
    (line,) = caplog.messages
    assert line.endswith(f"allow it with `git config --global --add safe.directory {tmp_path}`")
