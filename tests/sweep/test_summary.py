"""End of a sweep: which trials it ends and counts, and what its page says of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from pipeline.runtime.errors import PipelineError
from pipeline.sweep.parent_run import (
    FOLDER_TAG,
    OBJECTIVE,
    PARENT_TAG,
    TrialRun,
    child_tags,
    find_trials,
    latest_trials,
    open_sweep,
)
from pipeline.sweep.session import Session
from pipeline.sweep.summary import LOST, describe, end_sweep
from pipeline.tracking.run import ERROR_TAG
from pipeline.tracking.store import Store, connect
from pipeline.tracking.unsent import unsent_folder_of
from tests.conftest import configuration

ORIGIN = {"stage": "sweep", "data.md5": "d"}


@pytest.fixture
def store(tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of an empty project, in which the test's sweep runs."""
    shutil.copy(fresh_database, tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return connect(configuration().tracking)


@pytest.fixture
def sweep(store: Store) -> str:
    """Id of the run of an open sweep over `seed`."""
    return open_sweep(store, "key", "grid: seed", ORIGIN, {}, {})


def end(sweep: str, *overrides: str) -> None:
    session = Session("key", sweep, ["seed"], 1, "trials", inputs={}, code="", process=1)
    end_sweep(configuration(*overrides), session, "grid: seed", "FINISHED")


def add_trial(store: Store, sweep: str, seed: int, status: str = "FINISHED", start: int | None = None) -> str:
    tags = {"stage": "train", **child_tags(sweep, {"seed": str(seed)}), FOLDER_TAG: f"trials/{seed}"}
    run_id = store.client.create_run(store.experiment_id, start, tags, f"#{seed}").info.run_id
    if status == "FINISHED":
        store.client.log_metric(run_id, OBJECTIVE, float(seed))
        store.client.log_metric(run_id, "val/accuracy", 0.5)
        store.client.log_text(run_id, "weights", "model/model.txt")
    if status != "RUNNING":
        store.client.set_terminated(run_id, status)
    return str(run_id)


def leave_unsent(run_id: str, store_name: str, *entries: dict[str, Any]) -> None:
    folder = unsent_folder_of(run_id)
    folder.mkdir(parents=True)
    lines = [json.dumps(entry) + "\n" for entry in ({"store": store_name}, *entries)]
    (folder / "journal.jsonl").write_text("".join(lines))


FINISH = (
    {"metrics": [[OBJECTIVE, 0.5, 1, 1], ["val/accuracy", 0.9, 1, 1]]},
    {"status": "FINISHED", "at": 2_000_000_000_000},
)


def test_a_trial_whose_result_waits_is_sent_before_the_sweep_ends_those_that_were_killed(
    store: Store, sweep: str
) -> None:
    trained, killed, elsewhere = (add_trial(store, sweep, seed, "RUNNING") for seed in (1, 2, 3))
    leave_unsent(trained, store.lasting_name, *FINISH)
    leave_unsent(killed, store.lasting_name)
    leave_unsent(elsewhere, "http://another.store", *FINISH)
    with pytest.raises(PipelineError) as error:
        end(sweep)
    assert str(error.value) == (
        f"2 of 3 trials failed or are not sent yet: #2 ({LOST}); #3 (not sent yet, what it logged waits in .unsent/); "
        "run the same command to try them again"
    )
    trials = {trial.run_id: (trial.status, trial.error) for trial in find_trials(store, sweep)}
    assert trials == {trained: ("FINISHED", ""), killed: ("FAILED", LOST), elsewhere: ("RUNNING", "")}


def test_a_stopped_sweep_leaves_a_trial_whose_result_waits_alone(store: Store, sweep: str) -> None:
    trained = add_trial(store, sweep, 1, "RUNNING")
    leave_unsent(trained, "http://another.store", *FINISH)
    session = Session("key", sweep, ["seed"], 1, "trials", inputs={}, code="", process=1)
    end_sweep(configuration(), session, "grid: seed", "KILLED")
    assert store.client.get_run(trained).info.status == "RUNNING"
    assert ERROR_TAG not in store.client.get_run(trained).data.tags


def test_what_earlier_trials_could_not_send_is_sent_when_their_sweep_is_opened_again(store: Store, sweep: str) -> None:
    trained = add_trial(store, sweep, 1, "RUNNING")
    leave_unsent(trained, store.lasting_name, *FINISH)
    assert open_sweep(store, "key", "grid: seed", ORIGIN, {}, {}) == sweep
    assert [trial.objective for trial in find_trials(store, sweep)] == [0.5]


def test_a_failed_attempt_with_a_fast_clock_does_not_hide_a_finished_trial(store: Store, sweep: str) -> None:
    finished = add_trial(store, sweep, 1)
    fast = add_trial(store, sweep, 1, "FAILED", start=4_000_000_000_000)
    trials = find_trials(store, sweep)
    assert [trial.run_id for trial in trials] == [finished, fast]
    assert [trial.run_id for trial in latest_trials(trials)] == [finished]
    assert [trial.run_id for trial in latest_trials(trials, rerun=True)] == [fast]
    end(sweep, "sweep.keep=1")
    assert store.client.get_run(sweep).data.tags["best.run_id"] == finished
    assert store.client.list_artifacts(finished, "model")
    with pytest.raises(PipelineError, match="1 of 1 trials failed: #1"):
        end(sweep, "sweep.rerun=true")


def test_a_run_that_somebody_nested_below_the_sweep_is_no_trial(store: Store, sweep: str) -> None:
    trial = add_trial(store, sweep, 1)
    notes = store.client.create_run(store.experiment_id, tags={PARENT_TAG: sweep}, run_name="my notes").info.run_id
    end(sweep)
    assert store.client.get_run(notes).info.status == "RUNNING"
    assert [each.run_id for each in find_trials(store, sweep)] == [trial]
    assert store.client.get_run(sweep).data.metrics["sweep/trials"] == 1


def test_a_description_that_is_too_long_for_mlflow_has_the_table_and_counts_the_failures_that_it_does_not_name():
    trials = [TrialRun(f"{i}", f"#{i} lr={i}", "FAILED", {ERROR_TAG: "error: " + 450 * "x"}, {}) for i in range(30)]
    text = describe("kfold: lr", "mine", trials, folds=True, table="| mean ± sd | 0.91 |")
    assert MAX_TAG_VAL_LENGTH - 600 < len(text) <= MAX_TAG_VAL_LENGTH
    assert text.index("mean ± sd") < text.index("#0 lr=0 failed: error: ")
    named = text.count(" failed: ")
    assert text.endswith(f"\n- … and {30 - named} more, in trials.csv")
    assert "more, in" not in describe("kfold: lr", "mine", trials[:5])
