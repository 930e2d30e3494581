"""A second clone with the same DVC remote gets everything without training."""

import json
import shutil
import subprocess

import pytest

from tests.conftest import Project
from tests.support.pipeline_runs import edit, report, stages_run, store, training_runs
from tests.support.sharing import clone, share


@pytest.fixture(scope="module")
def first(trained, tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("first")
    return share(trained, folder / "project", str(folder / "remote"), {})


@pytest.fixture(scope="module")
def second(first, tmp_path_factory) -> tuple[Project, subprocess.CompletedProcess[str]]:
    """A clone after its first `dvc repro`, and the output of that."""
    project = clone(first, tmp_path_factory.mktemp("second") / "project", {})
    return project, project.run("dvc", "repro")


def test_a_second_clone_runs_nothing_but_compose_and_register(first, second):
    project, repro = second
    assert stages_run(repro.stdout) == ["compose", "register"]
    assert report(project, "details") == report(first, "details")
    answers = [one.run("python", "-m", "pipeline.predict", "This film is pure joy.").stdout for one in (first, project)]
    assert answers[0] == answers[1] != ""


def test_it_has_nothing_to_commit_and_nothing_left_to_do(second):
    project, _ = second
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert stages_run(project.run("dvc", "repro").stdout) == ["compose"]


def test_a_run_of_its_own_store_tells_where_the_model_comes_from(first, second):
    project, repro = second
    (trained,) = training_runs(first)
    assert f"MLflow run {trained.info.run_id} is not in sqlite:///" in repro.stderr
    champion = store(project).get_model_version_by_alias("sentiment", "champion")
    run = store(project).get_run(champion.run_id)
    assert run.data.tags["source.run_id"] == trained.info.run_id
    assert run.data.metrics["test/accuracy"] == report(first, "details")["test"]["accuracy"]
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    made_from = {name: trained.data.tags[name] for name in ("mlflow.source.git.commit", "git.dirty", "config.hash")}
    assert made_from["mlflow.source.git.commit"] != head
    assert made_from.items() <= run.data.tags.items()
    assert champion.tags["git.commit"] == made_from["mlflow.source.git.commit"]


def test_clones_that_share_a_store_share_its_runs_and_versions(first, tmp_path):
    project = clone(first, tmp_path / "project", {})
    repro = project.run("dvc", "repro", MLFLOW_TRACKING_URI=f"sqlite:///{first.root / 'mlflow.db'}")
    assert stages_run(repro.stdout) == ["compose", "register"]
    registration = report(project, "registration")
    assert (registration["version"], registration["alias"]) == ("1", "champion")
    assert [run.info.run_id for run in training_runs(first)] == [registration["run_id"]]
    assert len(store(first).search_model_versions("name='sentiment'")) == 1
    assert not (project.root / "mlflow.db").exists()


def test_a_training_that_was_not_committed_travels_in_the_run_cache(first, tmp_path):
    wider = ("conf/experiment/tiny.yaml", "hidden_dim: 16", "hidden_dim: 12")
    before = shutil.copytree(first.root, tmp_path / "first", symlinks=True)
    edit(Project(before), *wider)
    Project(before).run("dvc", "repro", "train")
    Project(before).run("dvc", "push", "--run-cache")
    project = clone(first, tmp_path / "second", {}, "--run-cache")
    edit(project, *wider)
    repro = project.run("dvc", "repro", "--pull", "train")
    assert stages_run(repro.stdout) == ["compose"]
    assert json.loads((project.root / "artifacts" / "model" / "config.json").read_text())["model"]["hidden_dim"] == 12
