"""Searches for runs."""

import pytest

from pipeline.runtime.errors import PipelineError
from pipeline.tracking.query import equals, search_runs
from pipeline.tracking.store import Store


def test_whatever_a_tag_holds_only_the_runs_that_bear_it_are_found(store: Store) -> None:
    values = ["plain", "it's", 'a "quote"', "a AND b", "x' OR '1'='1", "%", "", "back`tick", "é\n--"]
    ids = {}
    for value in values:
        ids[value] = store.client.create_run(store.experiment_id, tags={"odd": value}).info.run_id
    for value in values:
        runs = search_runs(store, equals({"odd": value}, status="RUNNING"))
        assert [run.info.run_id for run in runs] == [ids[value]]
    for value in ("both ' and \"", "at the end \\"):
        with pytest.raises(PipelineError, match="cannot be searched for in MLflow"):
            equals(run_id=value)
