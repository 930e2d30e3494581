"""A sweep as a user runs it: interrupted, resumed, and its winner promoted; slow sweeps are in tests/integration."""

import json
import signal
import subprocess

import pytest
import yaml
from mlflow import MlflowClient

from pipeline.promote import main
from pipeline.runtime.errors import PipelineError
from tests.conftest import Project

SHORT = ("training.epochs=1", "training.max_reviews=32", "model.embedding_dim=4", "model.hidden_dim=4")
SWEEP = ("python", "-m", "pipeline.train", "-m", *SHORT)
FREE = ("trainer.precision=auto", "trainer.threads=null")
GRID = (*SWEEP, *FREE, "model=gru,rnn", "training.lr=1e-3,7e-3", "sweep.keep=1")
TRAINED = "calibrated on validation"
"""Log line that each training prints once."""


def runs(project: Project, stage: str):
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sentiment")
    return client.search_runs([experiment.experiment_id], f"tags.stage = '{stage}'", order_by=["start_time"])


def sweep_of(project: Project):
    """Return the only sweep and its trials."""
    (parent,) = runs(project, "sweep")
    trials = [run for run in runs(project, "train") if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return parent, trials


def artifacts(project: Project, run, folder=None) -> set[str]:
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    return {file.path for file in client.list_artifacts(run.info.run_id, folder)}


@pytest.fixture(scope="module")
def interrupted(trained, tmp_path_factory):
    """A project whose grid of four trials was interrupted in the second trial.

    Yields also the result of the same command meanwhile, and the statuses of the runs.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored
    root = tmp_path_factory.mktemp("grid") / "project"
    project = trained.copy_to(root)
    sweep = subprocess.Popen(GRID, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while b"model=gru lr=0.007 (" not in sweep.stdout.readline():
        assert sweep.poll() is None
    sweep.send_signal(signal.SIGSTOP)
    refused = project.run(*GRID, check=False)
    sweep.send_signal(signal.SIGINT)
    sweep.send_signal(signal.SIGCONT)
    sweep.communicate(timeout=600)
    assert sweep.returncode == 130
    return project, refused, [run.info.status for run in [*runs(project, "sweep"), *runs(project, "train")[1:]]]


@pytest.fixture(scope="module")
def grid(interrupted):
    """The project after the same command ran again, and the output of that command."""
    project = interrupted[0]
    completed = project.run(*GRID)
    return project, completed.stderr + completed.stdout


def test_a_second_process_of_the_same_sweep_is_refused(interrupted):
    _, refused, _ = interrupted
    assert refused.returncode == 1
    assert "error: another process is running this sweep" in refused.stderr


def test_an_interrupted_sweep_is_killed_with_its_trial_and_resumes(interrupted, grid):
    assert interrupted[2] == ["KILLED", "FINISHED", "KILLED"]
    project, printed = grid
    assert printed.count(TRAINED) == 3
    assert len(runs(project, "train")) == 5  # DVC's and four trials


def test_a_grid_is_one_run_with_a_child_for_each_trial(grid):
    project, printed = grid
    parent, trials = sweep_of(project)
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "model, lr")
    assert parent.data.params["search.model"] == "gru,rnn"
    values = [f"model={kind} lr={lr}" for kind in ("gru", "rnn") for lr in ("0.001", "0.007")]
    names = {f"#{number} {name}" for number, name in enumerate(values)}
    assert {trial.info.run_name for trial in trials} == names
    assert {trial.info.status for trial in trials} == {"FINISHED"}
    assert all(name in printed for name in names)
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_the_parent_run_shows_the_best_trial_its_metrics_and_the_progress(grid):
    project, _ = grid
    parent, trials = sweep_of(project)
    losses = [trial.data.metrics["val/calibrated_loss"] for trial in trials]
    best = trials[losses.index(min(losses))]
    assert parent.data.tags["best.run_id"] == best.info.run_id
    assert best.info.run_name in parent.data.tags["mlflow.note.content"]
    assert parent.data.metrics["val/accuracy"] == best.data.metrics["val/accuracy"]
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    curve = [point.value for point in client.get_metric_history(parent.info.run_id, "sweep/best_so_far")]
    assert curve == [min(losses[: i + 1]) for i in range(4)]
    assert artifacts(project, parent, "sweep") == {"sweep/sweep.png", "sweep/trials.csv"}


def test_only_the_best_trials_keep_their_models(grid):
    project, _ = grid
    parent, trials = sweep_of(project)
    best = parent.data.tags["best.run_id"]
    assert [trial.info.run_id for trial in trials if "model" in artifacts(project, trial)] == [best]
    (kept,) = (project.root / "trials").glob("*/*/*/model")
    assert json.loads((kept.parent / "run.json").read_text())["run_id"] == best


@pytest.fixture
def promote(grid, monkeypatch):
    """Return `pipeline.promote.main` for that project."""
    root = grid[0].root
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setattr("pipeline.promote.CONF", root / "conf")
    return main


def experiment(project: Project, name: str):
    return yaml.safe_load((project.root / "conf" / "experiment" / f"{name}.yaml").read_text())


def test_the_best_trial_trains_to_the_same_metrics_under_dvc(grid):
    project, _ = grid
    printed = project.run("python", "-m", "pipeline.promote", "command", "--name", "winner").stdout
    assert "dvc exp run -S experiment=winner" in printed
    (parent,) = runs(project, "sweep")
    trial = next(run for run in runs(project, "train") if run.info.run_id == parent.data.tags["best.run_id"])
    written = experiment(project, "winner")
    kind = trial.info.run_name.split()[1].removeprefix("model=")
    assert {"override /model": kind} in written["defaults"]
    assert str(written["training"]["lr"]) == trial.data.params["training.lr"]
    hardware = {key: trial.data.params[f"hardware.{key}"] for key in ("precision", "threads")}
    assert {key: str(written["trainer"][key]) for key in hardware} == hardware
    project.run("dvc", "exp", "run", "-S", "experiment=winner", "train")
    again = runs(project, "train")[-1]
    assert again.info.run_id != trial.info.run_id
    judged = {key: value for key, value in trial.data.metrics.items() if key.startswith("val/")}
    assert len(judged) > 2
    assert {key: again.data.metrics[key] for key in judged} == judged


def test_any_training_can_be_promoted_and_no_file_is_overwritten(grid, promote):
    project, _ = grid
    first = runs(project, "train")[0].info
    path = promote(first.run_id, None, force=False)
    assert path.is_relative_to(project.root / "conf" / "experiment")
    before = path.read_text()
    with pytest.raises(PipelineError, match="exists already; choose another --name, or replace it with --force"):
        promote(first.run_id, None, force=False)
    assert path.read_text() == before
    promote(first.run_id, None, force=True)


@pytest.mark.parametrize(
    ("run", "name", "message"),
    [
        ("nothing", None, "nothing: sqlite:///.* has no finished run with this id, and no sweep of this name by this"),
        ("f" * 32, None, "no finished run with this id"),
        ("command", "../x", "--name ../x: not usable as experiment=NAME"),
    ],
)
def test_a_wrong_run_or_name_is_refused(promote, run, name, message):
    with pytest.raises(PipelineError, match=message):
        promote(run, name, force=False)


def test_a_run_that_conf_cannot_reproduce_is_refused(grid, promote):
    project, _ = grid
    registry = project.root / "conf" / "registry" / "default.yaml"
    before = registry.read_text()
    registry.write_text(before.replace("checks:\n", "checks:\n  size: {metric: test.ece, max: 1}\n", 1))
    try:
        with pytest.raises(PipelineError, match=r"cannot be promoted: its registry\.checks\.size\."):
            promote("command", "impossible", force=False)
    finally:
        registry.write_text(before)
    assert not (project.root / "conf" / "experiment" / "impossible.yaml").exists()
