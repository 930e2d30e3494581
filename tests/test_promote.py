"""From the winner of a sweep to an experiment that gives the same model under DVC."""

import shutil

import pytest
import yaml

from pipeline.promote import difference
from tests.conftest import Project
from tests.test_sweeps import SHORT, SWEEP, runs


@pytest.fixture(scope="module")
def project(trained, tmp_path_factory) -> Project:
    """A project after a sweep over kinds of networks, precision and threads left to the machine."""
    root = tmp_path_factory.mktemp("promote") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    found = Project(root)
    found.run(*SWEEP, "model=gru,rnn", "training.lr=7e-3", "trainer.precision=auto", "trainer.threads=null")
    return found


def promote(project: Project, *arguments: str, check: bool = True):
    return project.run("python", "-m", "pipeline.promote", *arguments, check=check)


def experiment(project: Project, name: str):
    return yaml.safe_load((project.root / "conf" / "experiment" / f"{name}.yaml").read_text())


def test_the_best_trial_trains_to_the_same_metrics_under_dvc(project):
    promote(project, "command", "--name", "winner")
    (parent,) = runs(project, "sweep")
    trial = next(run for run in runs(project, "train") if run.info.run_id == parent.data.tags["best.run_id"])
    written = experiment(project, "winner")
    kind = trial.info.run_name.removeprefix("model=")
    assert {"override /model": kind} in written["defaults"]
    assert written["training"]["lr"] == 7e-3
    hardware = {key: trial.data.params[f"hardware.{key}"] for key in ("precision", "threads")}
    assert {key: str(written["trainer"][key]) for key in hardware} == hardware
    project.run("dvc", "exp", "run", "-S", "experiment=winner")
    again = runs(project, "train")[-1]
    assert again.info.run_id != trial.info.run_id
    judged = {key: value for key, value in trial.data.metrics.items() if key.startswith(("best/", "val/"))}
    assert len(judged) > 4
    assert {key: again.data.metrics[key] for key in judged} == judged


def test_any_training_can_be_promoted_and_no_file_is_lost(project):
    first = runs(project, "train")[0]
    printed = promote(project, first.info.run_id).stdout
    path = project.root / printed.splitlines()[0]
    assert f"dvc exp run -S experiment={path.stem}" in printed
    before = path.read_text()
    refused = promote(project, first.info.run_id, check=False)
    assert (refused.returncode, path.read_text()) == (1, before)
    assert "is there already; choose another --name, or replace it with --force" in refused.stderr
    promote(project, first.info.run_id, "--force")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "error: nothing: sqlite:///"),
        (("f" * 32,), "no finished run with this id"),
        (("command", "--name", "../x"), "error: --name ../x: not fit for a file"),
    ],
)
def test_what_cannot_be_promoted_is_named(project, arguments, message):
    found = promote(project, *arguments, check=False)
    assert found.returncode == 1
    assert message in found.stderr
    assert "Traceback" not in found.stderr


def test_a_run_that_conf_cannot_give_is_refused(project):
    project.run("python", "-m", "pipeline.train", *SHORT, "~registry.checks.calibration")
    run = runs(project, "train")[-1]
    found = promote(project, run.info.run_id, "--name", "impossible", check=False)
    assert found.returncode == 1
    assert "cannot be promoted: its registry.checks.calibration" in found.stderr
    assert not (project.root / "conf" / "experiment" / "impossible.yaml").exists()


def test_the_difference_of_configurations():
    present = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}, "h": None}
    wanted = {"a": 1, "b": {"c": 2, "d": {"e": 5}}, "f": None, "h": {"i": 6}}
    assert difference(wanted, present) == {"b": {"d": {"e": 5}}, "f": None, "h": {"i": 6}}
