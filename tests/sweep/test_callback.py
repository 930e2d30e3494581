"""Sweeps that are refused before anything is recorded, sweeps of two projects in one store, and shares of a machine."""

import gc
import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF
from pipeline.sweep.callback import require_possible, shorten, trials_at_once
from pipeline.sweep.parent_run import FOLDER_TAG, OBJECTIVE, child_tags, find_sweeps, find_trials, open_sweep
from pipeline.sweep.search_space import parse_space
from pipeline.sweep.session import Session
from pipeline.sweep.summary import end_sweep
from pipeline.sweep.tpe import overrides_of
from pipeline.sweep.winner import find_winner
from pipeline.tracking.store import Store, connect
from tests.conftest import configuration

ORIGIN = {"stage": "sweep", "sweep": "grid", "data.md5": "d", "corpus": "mine"}


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
def test_number_of_trials_that_share_a_machine(overrides, expected):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", list(overrides), return_hydra_config=True).hydra
    space = parse_space(None, ["seed=1,2,3", "model=gru,rnn"])
    assert trials_at_once(composed.launcher, composed.sweeper, space) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep=tpe", "model.hidden_dim=interval(1,0)"], "hidden_dim=interval.1,0.: the ends of an interval must"),
        (["sweep=tpe", "training.lr=tag(log,interval(0,1))"], "with tag.* above 0"),
        (["sweep=tpe", "training.lr=interval(0,inf)"], "must be finite"),
        (["sweep=tpe", "seed=range(0,9,0)"], "list 1 to 10,000 values"),
        (["sweep=tpe", "training.lr=range(0,1,0.00001)"], "list 1 to 10,000 values"),
        (["sweep=tpe", "hydra.sweeper.seed=-1"], "hydra.sweeper.seed: must be from 0 to"),
        (["sweep=tpe", "hydra.sweeper.seed=5000000000"], "hydra.sweeper.seed: must be from 0 to"),
        (["sweep=tpe", "hydra.sweeper.n_trials=1000000000"], "hydra.sweeper.n_trials: must be from 1 to 100000"),
        (["seed=1,2", "hydra.sweeper.max_batch_size=0"], "hydra.sweeper.max_batch_size: must be from 1 to"),
        (["seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "hydra.launcher.n_jobs: must not be 0"),
        (["seed=range(1,1000000000)"], "seed=range.*: more than 100,000 trials; search fewer values"),
        (["seed=shuffle(range(1,1000000000))"], "more than 100,000 trials; search fewer values"),
        (["seed=range(0,999)", "split.seed=range(0,999)"], "more than 100,000 trials; search fewer values"),
        (["model.hidden_dim=interval(1,3)"], "a grid needs single values; list them, or use sweep=tpe"),
        (["seed=range(1,0)"], "there is nothing to train"),
        (
            [f"model.wide.negation.words=[{','.join(['never'] * 1500)}],[no]"],
            r"^model.wide.negation.words: one of its values has 9,001 characters, and MLflow keeps 8,000 of all the "
            "values of a trial; write each value into a file of a group of conf/, and search the group$",
        ),
    ],
)
def test_an_impossible_sweep_is_refused(arguments, message):
    hydra = [argument for argument in arguments if argument.startswith(("sweep", "hydra"))]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", hydra, return_hydra_config=True).hydra
    searched = [argument for argument in arguments if argument not in hydra]
    with pytest.raises(PipelineError, match=message):
        require_possible(parse_space(composed.sweeper.params, searched), composed.sweeper, composed.launcher)


def test_a_key_with_pluses_is_the_key_without_them():
    space = parse_space({"training.lr": "1,2"}, ["++seed=1,2", "+model.cell=gru"])
    assert list(space.searched) == ["training.lr", "seed"]
    assert space.fixed == ["+model.cell=gru"]
    assert overrides_of(space, {"training.lr": 1, "seed": 2}) == ["training.lr=1", "++seed=2"]
    with pytest.raises(PipelineError, match=r"training.lr=1,2 and \+\+training.lr=3,4 search the same key; leave one"):
        parse_space({"training.lr": "1,2"}, ["++training.lr=3,4"])


def test_a_parameter_that_is_cut_ends_in_an_ellipsis():
    assert (shorten("1,2,3", 5), shorten("1,2,34", 5)) == ("1,2,3", "1,2,…")


@pytest.fixture
def shared(tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is in the folder of no project."""
    shutil.copy(fresh_database, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def open_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, str]:
    """Open the same sweep in this project, whose processes the next calls then are."""
    project.mkdir(exist_ok=True)
    monkeypatch.setenv("DVC_ROOT", str(project))
    store = connect(configuration().tracking)
    return store, open_sweep(store, "key", "grid: seed", ORIGIN, {}, {})


def add_trial(store: Store, sweep: str, seed: int, status: str = "FINISHED") -> str:
    tags = {"stage": "train", **child_tags(sweep, {"seed": str(seed)}), FOLDER_TAG: f"trials/{seed}"}
    run_id = store.client.create_run(store.experiment_id, run_name=f"#{seed}", tags=tags).info.run_id
    if status == "FINISHED":
        store.client.log_metric(run_id, OBJECTIVE, float(seed))
        store.client.log_metric(run_id, "val/accuracy", 0.5)
        store.client.log_text(run_id, "weights", "model/model.txt")
        store.client.set_terminated(run_id)
    return str(run_id)


@pytest.mark.usefixtures("shared")
def test_the_end_of_a_sweep_leaves_the_trials_of_another_project_alone(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    store, of_ann = open_in(tmp_path / "ann", monkeypatch)
    _, of_bob = open_in(tmp_path / "bob", monkeypatch)
    assert f"in another project: run {of_ann}" in caplog.text
    running, finished = add_trial(store, of_bob, 1, "RUNNING"), add_trial(store, of_bob, 2)
    assert open_in(tmp_path / "ann", monkeypatch)[1] == of_ann
    trials = [add_trial(store, of_ann, seed) for seed in (1, 2)]
    session = Session("key", of_ann, ["seed"], 1, str(tmp_path / "ann" / "trials"), inputs={}, code="", process=1)
    end_sweep(configuration("sweep.keep=1"), session, "grid: seed", "FINISHED")
    assert {trial.run_id: trial.status for trial in find_trials(store, of_bob)} == {
        running: "RUNNING",
        finished: "FINISHED",
    }
    with_model = [run for run in (*trials, finished) if store.client.list_artifacts(run, "model")]
    assert with_model == [trials[0], finished]


@pytest.mark.usefixtures("shared")
def test_a_name_stands_for_a_sweep_of_this_project_and_the_one_taken_is_told(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    store, of_ann = open_in(tmp_path / "ann", monkeypatch)
    best = add_trial(store, of_ann, 1)
    add_trial(store, of_ann, 2, "RUNNING")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "bob"))
    with pytest.raises(PipelineError, match="no sweep of this name by this project; give the id of another project's"):
        find_winner(store, "grid")
    user = store.client.get_run(of_ann).data.tags["mlflow.user"]
    for project, name in (("bob", of_ann), ("ann", "grid"), ("ann", "grid: seed")):
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / project))
        caplog.clear()
        assert find_winner(store, name).run_id == best
        taken = f"sweep grid: seed ({of_ann}) by {user} on mine: RUNNING, 1 of 2 trials finished"
        assert taken in caplog.text
        assert "sweep grid: seed has not ended: a better trial may follow" in caplog.text
        assert "was trained on other data (md5 d) than that of this checkout" in caplog.text


def test_a_sweep_in_a_moved_project_is_still_its_own(tmp_path, fresh_database, monkeypatch):
    (tmp_path / "before").mkdir()
    shutil.copy(fresh_database, tmp_path / "before")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    sweep = open_in(tmp_path / "before", monkeypatch)[1]
    gc.collect()  # the store is closed, as when its process has ended
    (tmp_path / "before").rename(tmp_path / "after")
    store, again = open_in(tmp_path / "after", monkeypatch)
    assert again == sweep
    assert [run.info.run_id for run in find_sweeps(store, "grid")] == [sweep]
