"""Search by TPE: distributions, and studies that were stopped."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF
from pipeline.sweep.parent_run import OBJECTIVE, child_tags, find_trials
from pipeline.sweep.search_space import parse_space
from pipeline.sweep.session import Session
from pipeline.sweep.tpe import ask_study, distribution, open_study, search
from pipeline.sweep.trial import searched_values
from pipeline.tracking.store import Store, connect
from tests.conftest import configuration


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
def test_each_kind_of_value_has_its_distribution(text, expected):
    assert distribution(OverridesParser.create().parse_override(f"key={text}")) == expected


def tried_values(study: optuna.Study, trials: int) -> list[float]:
    """Run trials with a loss that has its minimum at 0.3; return their values."""
    values = []
    for _ in range(trials):
        trial = ask_study(study, {"x": FloatDistribution(0, 1)}, seed=1)
        study.tell(trial, (trial.params["x"] - 0.3) ** 2)
        values.append(trial.params["x"])
    return values


def test_a_killed_study_proposes_what_it_would_have_proposed(tmp_path):
    undisturbed = tried_values(open_study(tmp_path / "a.db", "study", restart=False), 14)
    killed = open_study(tmp_path / "b.db", "study", restart=False)
    before = tried_values(killed, 4)
    ask_study(killed, {"x": FloatDistribution(0, 1)}, seed=1)  # killed before it has a loss
    resumed = open_study(tmp_path / "b.db", "study", restart=False)
    assert before + tried_values(resumed, 10) == undisturbed
    assert len(set(undisturbed)) == 14
    assert {trial.state for trial in resumed.get_trials()} == {TrialState.COMPLETE, TrialState.FAIL}
    assert open_study(tmp_path / "b.db", "study", restart=True).get_trials() == []


def test_a_damaged_study_is_one_line(tmp_path):
    (tmp_path / "optuna.db").write_bytes(b"junk" * 1000)
    with pytest.raises(PipelineError, match=r"optuna.db cannot be used: file is not a database; .*, delete it"):
        open_study(tmp_path / "optuna.db", "study", restart=False)


def test_a_range_has_the_same_values_in_either_direction():
    parse = OverridesParser.create().parse_override
    assert distribution(parse("key=range(9,2,-3)")) == IntDistribution(3, 9, step=3)
    assert distribution(parse("key=range(1,1000000000)")) == IntDistribution(1, 999_999_999)


@pytest.fixture
def store(tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of an empty project, in which the test's sweeps run."""
    shutil.copy(fresh_database, tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("SENTIMENT_SWEEP", "")
    return connect(configuration().tracking)


def launched(store: Store, sweep: str, n_trials: int) -> dict[int, list[str]]:
    """Search in the sweep with this run; return the overrides of the trials that were launched, by number."""
    Session("key", sweep, ["training.lr"], 1, folder="", inputs={}, code="", process=1).hand_over()
    trials = {}

    def launch(batch: Sequence[Sequence[str]], first: int) -> list[float | None]:
        for number, overrides in enumerate(batch, first):
            trials[number] = list(overrides)
            tags = child_tags(sweep, searched_values(["training.lr"], overrides))
            run_id = store.client.create_run(store.experiment_id, run_name=f"#{number}", tags=tags).info.run_id
            store.client.log_metric(run_id, OBJECTIVE, number)
            store.client.set_terminated(run_id)
        return [float(number) for number in range(first, first + len(batch))]

    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", ["sweep=tpe"], return_hydra_config=True)
    search(parse_space(None, ["seed=7", "training.lr=interval(0,1)"]), n_trials, 1, composed, launch)
    return trials


def test_a_sweep_with_a_run_of_its_own_has_a_study_of_its_own(store: Store) -> None:
    """Another clone, or another store, gives the same command a run of its own."""
    here, there = (store.create_run("sweep", {"stage": "sweep"}) for _ in range(2))
    first = launched(store, here, 3)
    assert list(first) == [0, 1, 2]
    assert launched(store, here, 3) == {}
    assert launched(store, there, 3) == first


def test_a_trial_that_was_deleted_from_mlflow_is_trained_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    undisturbed, sweep = (store.create_run("sweep", {"stage": "sweep"}) for _ in range(2))
    expected = launched(store, undisturbed, 4)
    launched(store, sweep, 3)
    store.client.delete_run(next(trial.run_id for trial in find_trials(store, sweep) if trial.name == "#1"))
    assert launched(store, sweep, 4) == {number: expected[number] for number in (1, 3)}
    assert "trial #1 is no longer in MLflow; it is trained again" in caplog.text
    assert {trial.name for trial in find_trials(store, sweep)} == {"#0", "#1", "#2", "#3"}
