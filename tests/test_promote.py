"""Experiments that give the configuration of a run; tests/sweep/test_sweep.py promotes real runs."""

import json
from typing import Any

from pipeline.config.composition import compose_config
from pipeline.promote import difference, experiment
from pipeline.tracking.finished_runs import FinishedRun
from pipeline.tracking.provenance import CHOICES, WITHOUT_EFFECT

HARDWARE = {"hardware.threads": "3", "hardware.precision": "32-true"}
ON_THIS_HARDWARE = {"precision": "32-true", "threads": 3}


def promote(overrides: list[str], **tags: str) -> dict[str, Any]:
    """Return the experiment of a run that was composed with these overrides."""
    config = compose_config(overrides)
    values = {key: value for key, value in config.items() if key not in WITHOUT_EFFECT}
    return experiment(FinishedRun("e" * 32, tags, HARDWARE, {}), values, "winner")


def test_recorded_choices_are_taken() -> None:
    choices = {"model": "gru", "text/vectors": "none", "training": "default", "tracking": "server", "experiment": None}
    body = promote(["model=gru", "training.lr=0.5"], **{CHOICES: json.dumps(choices)})
    assert body == {
        "defaults": [{"override /model": "gru"}],
        "training": {"lr": 0.5},
        "trainer": ON_THIS_HARDWARE,
    }


def test_choices_that_were_not_recorded_are_guessed_by_their_keys() -> None:
    body = promote(["model=bag_of_words", "text/vectors=glove_6b_50d", "seed=7"])
    assert body == {
        "defaults": [
            {"override /text/vectors": "glove_6b_50d"},
            {"override /model": "bag_of_words"},
        ],
        "seed": 7,
        "trainer": ON_THIS_HARDWARE,
    }
    assert promote(["model=gru"]) == {"model": {"cell": "gru"}, "trainer": ON_THIS_HARDWARE}


def test_the_difference_of_configurations() -> None:
    present = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}, "h": None, "k": {"l": 7, "m": 8}}
    wanted = {"a": 1, "b": {"c": 2, "d": {"e": 5}}, "f": None, "h": {"i": 6}, "k": {"l": 7}}
    assert difference(wanted, present) == {"b": {"d": {"e": 5}}, "f": None, "h": {"i": 6}}
