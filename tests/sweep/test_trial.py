"""Names and values of trials, and their share of the machine."""

import pytest

from pipeline.sweep.trial import searched_values, share_of_cores, trial_name


@pytest.mark.parametrize(("processes", "cores", "share"), [(1, 8, None), (2, 8, 4), (3, 8, 2), (4, 2, 1)])
def test_processes_share_the_cores(processes, cores, share):
    assert share_of_cores(processes, cores) == share


def test_a_trial_is_named_by_its_searched_values():
    assert trial_name({"model.hidden_dim": "64", "training.lr": "0.00123456"}) == "hidden_dim=64 lr=0.00123"
    assert trial_name({"training.lr": "1", "pretraining.lr": "2"}) == "training.lr=1 pretraining.lr=2"
    assert trial_name({"text/vectors": "none", "model.x": "y"}) == "vectors=none x=y"
    assert len(trial_name({"a": "b" * 500})) == 100
    assert trial_name({"a": "0.9995", "b": "1e-3", "c": "1234.5", "d": "none"}) == "a=0.9995 b=0.001 c=1234.5 d=none"


def test_a_searched_value_has_the_key_of_the_configuration():
    searched = ["training.lr", "seed"]
    assert searched_values(searched, ["++training.lr=1e-3", "seed=2", "model=gru"]) == {
        "training.lr": "1e-3",
        "seed": "2",
    }
