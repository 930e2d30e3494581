"""Sweeps as a user gives them: one parent run, a child for each trial, resumed, and ended whatever happens."""

import json
import shutil
import signal
import subprocess
import time

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow import MlflowClient
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from pipeline.config import WORKSPACE
from pipeline.parallel import available_cores
from pipeline.sweeping.callback import trials_at_once
from pipeline.sweeping.space import parse_space
from pipeline.sweeping.study import ask, distribution, open_study
from pipeline.sweeping.trial import share_of_cores, trial_name
from tests.conftest import Project

SHORT = ("training.epochs=1", "training.max_reviews=32", "model.embedding_dim=4", "model.hidden_dim=4")
SWEEP = ("python", "-m", "pipeline.train", "-m", *SHORT)
GRID = (*SWEEP, "model.hidden_dim=4,6", "training.lr=1e-3,1e-2", "sweep.keep=1")
TPE = (*SWEEP, "sweep=tpe", "hydra.sweeper.n_trials=3", "model.hidden_dim=int(interval(4,8))")
TRAINED = "calibrated on validation"
"""What every training says once."""


def runs(project: Project, stage: str):
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sentiment")
    return client.search_runs([experiment.experiment_id], f"tags.stage = '{stage}'", order_by=["start_time"])


def sweep_of(project: Project):
    """The only sweep, and its trials."""
    (parent,) = runs(project, "sweep")
    trials = [run for run in runs(project, "train") if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return parent, trials


def artifacts(project: Project, run, folder=None) -> set[str]:
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    return {file.path for file in client.list_artifacts(run.info.run_id, folder)}


@pytest.fixture
def project(trained, tmp_path) -> Project:
    shutil.copytree(trained.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def interrupted(trained, tmp_path_factory):
    """A project whose grid of four trials was interrupted in the second, and what a second command said meanwhile."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else deaf, where these tests run in the background
    root = tmp_path_factory.mktemp("grid") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    project = Project(root)
    sweep = subprocess.Popen(GRID, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while b"MLflow run hidden_dim=4 lr=0.01 " not in sweep.stdout.readline():
        assert sweep.poll() is None
    sweep.send_signal(signal.SIGSTOP)
    refused = project.run(*GRID, check=False)
    sweep.send_signal(signal.SIGINT)
    sweep.send_signal(signal.SIGCONT)
    sweep.communicate(timeout=120)
    assert sweep.returncode == 130
    return project, refused, [run.info.status for run in [*runs(project, "sweep"), *runs(project, "train")[1:]]]


@pytest.fixture(scope="module")
def grid(interrupted):
    """The project after the same command again, and what it printed."""
    project = interrupted[0]
    return project, project.run(*GRID).stdout


def test_a_second_process_of_the_same_sweep_is_refused(interrupted):
    _, refused, _ = interrupted
    assert refused.returncode == 1
    assert "error: another process runs this very sweep" in refused.stderr


def test_an_interrupted_sweep_is_killed_with_its_trial_and_goes_on(interrupted, grid):
    assert interrupted[2] == ["KILLED", "FINISHED", "KILLED"]
    project, printed = grid
    assert printed.count(TRAINED) == 3
    assert len(runs(project, "train")) == 5  # DVC's and four trials


def test_a_grid_is_one_run_with_a_child_for_each_trial(grid):
    project, printed = grid
    parent, trials = sweep_of(project)
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "command: hidden_dim, lr")
    assert parent.data.params["search.model.hidden_dim"] == "4,6"
    names = {f"hidden_dim={size} lr={lr}" for size in (4, 6) for lr in ("0.001", "0.01")}
    assert {trial.info.run_name for trial in trials} == names
    assert {trial.info.status for trial in trials} == {"FINISHED"}
    assert all(name in printed for name in names)
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_the_parent_tells_the_best_trial_its_metrics_and_the_way_there(grid):
    project, _ = grid
    parent, trials = sweep_of(project)
    losses = [trial.data.metrics["best/val_calibrated_loss"] for trial in trials]
    best = trials[losses.index(min(losses))]
    assert parent.data.tags["best.run_id"] == best.info.run_id
    assert best.info.run_name in parent.data.tags["mlflow.note.content"]
    assert parent.data.metrics["best/val_accuracy"] == best.data.metrics["best/val_accuracy"]
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


def test_a_finished_sweep_trains_nothing_anew_unless_it_is_told_to(grid, tmp_path):
    shutil.copytree(grid[0].root, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    assert TRAINED not in project.run(*GRID).stdout
    parent, trials = sweep_of(project)
    assert (parent.info.status, len(trials)) == ("FINISHED", 4)
    assert project.run(*GRID, "sweep.rerun=true").stdout.count(TRAINED) == 4
    parent, trials = sweep_of(project)
    assert (parent.info.status, len(trials), parent.data.metrics["sweep/trials"]) == ("FINISHED", 8, 4)


def test_trials_at_once_divide_the_cores_and_one_that_fails_stops_no_other(project):
    at_once = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "trainer.threads=null")
    cores = {"OMP_NUM_THREADS": str(available_cores())}
    found = project.run(*SWEEP, *at_once, "training.max_reviews=1,32", check=False, **cores)
    assert found.returncode == 1
    assert "error: 1 of 2 trials failed: max_reviews=1 (training.max_reviews: " in found.stderr
    assert "Traceback" not in found.stderr
    parent, trials = sweep_of(project)
    assert parent.info.status == "FAILED"
    assert "max_reviews=1 failed" in parent.data.tags["mlflow.note.content"]
    statuses = {trial.info.run_name: trial.info.status for trial in trials}
    assert statuses == {"max_reviews=1": "FAILED", "max_reviews=32": "FINISHED"}
    share = str(max(1, available_cores() // 2))
    (params,) = [trial.data.params for trial in trials if trial.info.status == "FINISHED"]
    assert (params["hardware.threads"], params["trainer.threads"]) == (share, "None")


def test_a_killed_search_goes_on_with_what_it_would_have_tried(project):
    log = project.root.with_name("log")
    with log.open("w") as output:
        first = subprocess.Popen(TPE, cwd=project.root, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 300
    while TRAINED not in log.read_text():
        assert first.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.kill()
    first.wait()
    project.run(*TPE)
    parent, trials = sweep_of(project)
    assert parent.info.status == "FINISHED"
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 3
    assert len({trial.data.params["training.lr"] for trial in trials}) == 3


@pytest.mark.parametrize(("processes", "cores", "share"), [(1, 8, None), (2, 8, 4), (3, 8, 2), (4, 2, 1)])
def test_the_share_of_the_cores(processes, cores, share):
    assert share_of_cores(processes, cores) == share


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), 1),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), 2),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=9"), 6),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=9", "sweep=tpe", "hydra.sweeper.n_trials=7"), 7),
        (("hydra/launcher=submitit_local",), 6),
        (("hydra/launcher=submitit_local", "hydra.sweeper.max_batch_size=4"), 4),
        (("hydra/launcher=submitit_local", "sweep=tpe"), 1),
        (("hydra/launcher=slurm",), 1),
    ],
)
def test_how_many_trials_share_a_machine(overrides, expected):
    with initialize_config_dir(str(WORKSPACE / "conf"), version_base="1.3"):
        composed = compose("config", list(overrides), return_hydra_config=True).hydra
    space = parse_space(None, ["seed=1,2,3", "model=gru,rnn"])
    assert trials_at_once(composed.launcher, composed.sweeper, space) == expected


def test_a_trial_is_named_by_what_varies():
    assert trial_name({"model.hidden_dim": "64", "training.lr": "0.00123456"}) == "hidden_dim=64 lr=0.00123"
    assert trial_name({"training.lr": "1", "pretraining.lr": "2"}) == "training.lr=1 pretraining.lr=2"
    assert trial_name({"text/vectors": "none", "+model.x": "y"}) == "vectors=none x=y"
    assert len(trial_name({"a": "b" * 500})) == 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", CategoricalDistribution(["a", "b"])),
        ("range(2,9,3)", IntDistribution(2, 8, step=3)),
        ("interval(0,1)", FloatDistribution(0, 1)),
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("tag(log,int(interval(4,64)))", IntDistribution(4, 64, log=True)),
    ],
)
def test_what_is_searched(text, expected):
    assert distribution(OverridesParser.create().parse_override(f"key={text}")) == expected


def answer(study: optuna.Study, trials: int) -> list[float]:
    """Ask, and tell a loss each time."""
    asked = []
    for _ in range(trials):
        trial = ask(study, {"x": FloatDistribution(0, 1)}, seed=1)
        study.tell(trial, (trial.params["x"] - 0.3) ** 2)
        asked.append(trial.params["x"])
    return asked


def test_a_study_that_was_killed_asks_what_it_would_have_asked(tmp_path):
    undisturbed = answer(open_study(tmp_path / "a.db", "study", anew=False), 14)
    killed = open_study(tmp_path / "b.db", "study", anew=False)
    before = answer(killed, 4)
    ask(killed, {"x": FloatDistribution(0, 1)}, seed=1)  # and no answer
    resumed = open_study(tmp_path / "b.db", "study", anew=False)
    assert before + answer(resumed, 10) == undisturbed
    assert len(set(undisturbed)) == 14
    assert {trial.state for trial in resumed.get_trials()} == {TrialState.COMPLETE, TrialState.FAIL}
    assert open_study(tmp_path / "b.db", "study", anew=True).get_trials() == []
