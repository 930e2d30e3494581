"""Search for runs in the store, and filters for MLflow's searches."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException

from pipeline.runtime.errors import PipelineError
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.store import Store

RUN_ID = re.compile(r"[0-9a-f]{32}")
"""Pattern of the ids that MLflow gives to runs."""
NO_TAGS: Mapping[str, str] = MappingProxyType({})
RUNS_PER_REQUEST = 1000


def equals(tags: Mapping[str, str] = NO_TAGS, **attributes: str) -> str:
    """Return the filter for entities that have all of these tags and attributes.

    MLflow's filter language is like SQL, but has no way to escape a quote.

    Args:
        tags: values by key.
        attributes: such as `status` or `run_id` of a run, `name` of a model version.

    Raises:
        PipelineError: the language has no way to write a value.
    """
    conditions = [f"{name} = {_quoted(value)}" for name, value in attributes.items()]
    conditions += [f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items()]
    return " AND ".join(conditions)


def search_runs(store: Store, query: str) -> list[StoredRun]:
    """Return the runs of the experiment that match `query`, a filter from `equals`; the latest come first.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        return all_pages(
            lambda token: store.client.search_runs(
                [store.experiment_id],
                query,
                max_results=RUNS_PER_REQUEST,
                order_by=["start_time DESC"],
                page_token=token,
            )
        )


def all_pages(search: Callable[[str | None], Any]) -> list[Any]:
    """Return what a search finds on all its pages.

    Args:
        search: returns MLflow's `PagedList` for the token of a page; None is the first one's.
    """
    page = search(None)
    entities = list(page)
    while page.token:
        page = search(page.token)
        entities += page
    return entities


def find_run(store: Store, run_id: str | None) -> StoredRun | None:
    """Return the run, or None if the store never had it or it was deleted.

    Raises:
        MlflowException: the store failed.
    """
    if run_id is None or not RUN_ID.fullmatch(run_id):
        return None
    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        # A server with accounts denies permission to see a run that does not exist.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _quoted(value: str) -> str:
    quote = '"' if "'" in value else "'"
    if quote in value or "\\" in value:  # a backslash may hide the closing quote
        raise PipelineError(f"{value!r} cannot be searched for in MLflow; use no backslash and only one kind of quote")
    return f"{quote}{value}{quote}"
