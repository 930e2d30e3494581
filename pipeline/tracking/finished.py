"""Runs that ended well, read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.artifacts import download_artifacts

from pipeline.tracking.store import Store, clear_errors

PAGE = 1000


@dataclass(frozen=True)
class FinishedRun:
    """What a run has left in the store."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""


def finished_runs(store: Store, tags: Mapping[str, str]) -> list[FinishedRun]:
    """The finished runs of the experiment that bear these tags, the latest first.

    Raises:
        PipelineError: the store failed.
    """
    conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    query = " AND ".join(["attributes.status = 'FINISHED'", *conditions])
    with clear_errors(store.uri):
        found: list[FinishedRun] = []
        token = None
        while True:
            page = store.client.search_runs(
                [store.experiment_id], query, max_results=PAGE, order_by=["start_time DESC"], page_token=token
            )
            found += [FinishedRun(r.info.run_id, r.data.tags, r.data.params, r.data.metrics) for r in page]
            token = page.token
            if not token:
                return found


def download_folder(store: Store, run_id: str, folder: str, destination: Path) -> Path:
    """Fetch a folder of a run's artifacts.

    Raises:
        PipelineError: it is not there.
    """
    with clear_errors(store.uri, OSError):
        uri = f"runs:/{run_id}/{folder}"
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(destination), tracking_uri=store.uri))
