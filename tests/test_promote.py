"""From the winner of a sweep to an experiment that gives the same model under DVC."""

import shutil

import pytest
import yaml

from pipeline.errors import PipelineError
from pipeline.promote import difference, main
from tests.conftest import Project
from tests.test_sweeps import SWEEP, runs


@pytest.fixture(scope="module")
def project(trained, tmp_path_factory) -> Project:
    """A project after a sweep over kinds of networks, precision and threads left to the machine."""
    root = tmp_path_factory.mktemp("promote") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    found = Project(root)
    found.run(*SWEEP, "model=gru,rnn", "training.lr=7e-3", "trainer.precision=auto", "trainer.threads=null")
    return found


@pytest.fixture
def promote(project, monkeypatch):
    """`pipeline.promote` in that project."""
    monkeypatch.setenv("DVC_ROOT", str(project.root))
    monkeypatch.setattr("pipeline.promote.CONF", project.root / "conf")
    return main


def experiment(project: Project, name: str):
    return yaml.safe_load((project.root / "conf" / "experiment" / f"{name}.yaml").read_text())


def test_the_best_trial_trains_to_the_same_metrics_under_dvc(project):
    printed = project.run("python", "-m", "pipeline.promote", "command", "--name", "winner").stdout
    assert "dvc exp run -S experiment=winner" in printed
    (parent,) = runs(project, "sweep")
    trial = next(run for run in runs(project, "train") if run.info.run_id == parent.data.tags["best.run_id"])
    written = experiment(project, "winner")
    kind = trial.info.run_name.removeprefix("model=")
    assert {"override /model": kind} in written["defaults"]
    assert written["training"]["lr"] == 7e-3
    hardware = {key: trial.data.params[f"hardware.{key}"] for key in ("precision", "threads")}
    assert {key: str(written["trainer"][key]) for key in hardware} == hardware
    project.run("dvc", "exp", "run", "-S", "experiment=winner", "train")
    again = runs(project, "train")[-1]
    assert again.info.run_id != trial.info.run_id
    judged = {key: value for key, value in trial.data.metrics.items() if key.startswith(("best/", "val/"))}
    assert len(judged) > 4
    assert {key: again.data.metrics[key] for key in judged} == judged


def test_any_training_can_be_promoted_and_no_file_is_lost(project, promote):
    first = runs(project, "train")[0].info
    path = promote(first.run_id, None, force=False)
    assert path.is_relative_to(project.root / "conf" / "experiment")
    before = path.read_text()
    with pytest.raises(PipelineError, match="is there already; choose another --name, or replace it with --force"):
        promote(first.run_id, None, force=False)
    assert path.read_text() == before
    promote(first.run_id, None, force=True)


@pytest.mark.parametrize(
    ("run", "name", "message"),
    [
        ("nothing", None, "nothing: sqlite:///.* has no finished run with this id, and no sweep of this name"),
        ("f" * 32, None, "no finished run with this id"),
        ("command", "../x", "--name ../x: not fit for a file"),
    ],
)
def test_what_cannot_be_promoted_is_named(promote, run, name, message):
    with pytest.raises(PipelineError, match=message):
        promote(run, name, force=False)


def test_a_run_that_conf_cannot_give_is_refused(project, promote):
    registry = project.root / "conf" / "registry" / "default.yaml"
    before = registry.read_text()
    registry.write_text(before.replace("checks:\n", "checks:\n  size: {metric: test.ece, max: 1}\n", 1))
    try:
        with pytest.raises(PipelineError, match=r"cannot be promoted: its registry\.checks\.size\."):
            promote("command", "impossible", force=False)
    finally:
        registry.write_text(before)
    assert not (project.root / "conf" / "experiment" / "impossible.yaml").exists()


def test_the_difference_of_configurations():
    present = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}, "h": None}
    wanted = {"a": 1, "b": {"c": 2, "d": {"e": 5}}, "f": None, "h": {"i": 6}}
    assert difference(wanted, present) == {"b": {"d": {"e": 5}}, "f": None, "h": {"i": 6}}
