"""Sweeps that are refused before anything is recorded, and the number of trials that share a machine."""

import pytest
from hydra import compose, initialize_config_dir

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF
from pipeline.sweep.callback import require_possible, trials_at_once
from pipeline.sweep.search_space import parse_space


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
    ],
)
def test_an_impossible_sweep_is_refused(arguments, message):
    hydra = [argument for argument in arguments if argument.startswith(("sweep", "hydra"))]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", hydra, return_hydra_config=True).hydra
    searched = [argument for argument in arguments if argument not in hydra]
    with pytest.raises(PipelineError, match=message):
        require_possible(parse_space(composed.sweeper.params, searched), composed.sweeper, composed.launcher)
