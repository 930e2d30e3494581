"""What a sweep searches, how many trials share a machine, and what Optuna asks next."""

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.sweep.callback import trials_at_once
from pipeline.sweep.limits import require_possible
from pipeline.sweep.search_space import parse_space
from pipeline.sweep.tpe import ask, distribution, open_study
from pipeline.sweep.trial import share_of_cores, trial_name


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep=tpe", "model.hidden_dim=interval(1,0)"], "hidden_dim=interval.1,0.: the ends of an interval"),
        (["sweep=tpe", "training.lr=tag(log,interval(0,1))"], "want.* above 0"),
        (["sweep=tpe", "training.lr=interval(0,inf)"], "are finite"),
        (["sweep=tpe", "seed=range(0,9,0)"], "name 1 to 10,000 values"),
        (["sweep=tpe", "training.lr=range(0,1,0.00001)"], "name 1 to 10,000 values"),
        (["sweep=tpe", "hydra.sweeper.seed=-1"], "hydra.sweeper.seed: must be from 0 to"),
        (["sweep=tpe", "hydra.sweeper.seed=5000000000"], "hydra.sweeper.seed: must be from 0 to"),
        (["sweep=tpe", "hydra.sweeper.n_trials=1000000000"], "hydra.sweeper.n_trials: must be from 1 to 100000"),
        (["seed=1,2", "hydra.sweeper.max_batch_size=0"], "hydra.sweeper.max_batch_size: must be from 1 to"),
        (["seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "hydra.launcher.n_jobs: must not be 0"),
        (["seed=range(1,1000000000)"], "seed=range.*: more than 100,000 trials; search fewer values"),
        (["seed=shuffle(range(1,1000000000))"], "more than 100,000 trials; search fewer values"),
        (["seed=range(0,999)", "split.seed=range(0,999)"], "more than 100,000 trials; search fewer values"),
        (["model.hidden_dim=interval(1,3)"], "a grid needs single values; name them, or use sweep=tpe"),
        (["seed=range(1,0)"], "there is nothing to train"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(arguments, said):
    hydra = [argument for argument in arguments if argument.startswith(("sweep", "hydra"))]
    with initialize_config_dir(str(WORKSPACE / "conf"), version_base="1.3"):
        composed = compose("config", hydra, return_hydra_config=True).hydra
    searched = [argument for argument in arguments if argument not in hydra]
    with pytest.raises(PipelineError, match=said):
        require_possible(parse_space(composed.sweeper.params, searched), composed.sweeper, composed.launcher)


def test_a_study_that_is_no_database_is_named(tmp_path):
    (tmp_path / "optuna.db").write_bytes(b"junk" * 1000)
    with pytest.raises(PipelineError, match=r"optuna.db cannot be used: file is not a database; .* delete it"):
        open_study(tmp_path / "optuna.db", "study", anew=False)


def test_a_sweep_of_steps_searches_the_same_from_either_end():
    parse = OverridesParser.create().parse_override
    assert distribution(parse("key=range(9,2,-3)")) == IntDistribution(3, 9, step=3)
    assert distribution(parse("key=range(1,1000000000)")) == IntDistribution(1, 999_999_999)
