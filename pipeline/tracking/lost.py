"""Runs whose process died before it could close them."""

from collections.abc import Mapping

from pipeline.tracking.run import ERROR_TAG
from pipeline.tracking.store import Store, clear_errors


def close_lost_runs(store: Store, tags: Mapping[str, str], error: str) -> None:
    """Close as FAILED those of the experiment's runs with these tags that still say RUNNING.

    Args:
        store: an open store.
        tags: that tell the runs of whoever is known to be gone.
        error: what happened, for the tag `error`.

    Raises:
        PipelineError: the store failed.
    """
    conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    query = " AND ".join(["attributes.status = 'RUNNING'", *conditions])
    with clear_errors(store.uri):
        for run in store.client.search_runs([store.experiment_id], query):
            store.client.set_tag(run.info.run_id, ERROR_TAG, error)
            store.client.set_terminated(run.info.run_id, "FAILED")
