"""Experiments that give the configuration of a run; tests/sweep/test_sweep.py promotes real runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.entities import Param

from pipeline.config.composition import compose_config
from pipeline.promote import difference, experiment, main
from pipeline.runtime.paths import CONF
from pipeline.tracking.finished_runs import FinishedRun
from pipeline.tracking.provenance import CHOICES, WITHOUT_EFFECT
from pipeline.tracking.store import connect
from tests.conftest import configuration

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


def test_a_name_with_a_line_break_stays_in_the_comment(
    tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(fresh_database, tmp_path)
    shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("pipeline.promote.CONF", tmp_path / "conf")
    store = connect(configuration().tracking)
    run_id = store.create_run("good\nseed: 99\u2028debug: 1\x07", {"stage": "train"})
    store.client.log_batch(run_id, params=[Param(key, value) for key, value in HARDWARE.items()])
    values = {key: value for key, value in compose_config(["model=gru"]).items() if key not in WITHOUT_EFFECT}
    store.client.log_dict(run_id, values, "config.yaml")
    store.client.set_terminated(run_id)
    written = main(run_id, "winner", force=False).read_text()
    assert f"# Promoted from MLflow run {run_id} (good seed: 99 debug: 1 ): " in written
    assert yaml.safe_load(written) == {"model": {"cell": "gru"}, "trainer": ON_THIS_HARDWARE}
