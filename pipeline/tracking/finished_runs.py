"""Runs that ended well, read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from mlflow.entities import Run as StoredRun

from pipeline.runtime.errors import PipelineError
from pipeline.tracking import artifacts
from pipeline.tracking.query import equals
from pipeline.tracking.run import find_run
from pipeline.tracking.store import Store, translate_mlflow_errors

PAGE = 1000


@dataclass(frozen=True)
class FinishedRun:
    """What a run has left in the store."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""
    ended: int = 0
    """Milliseconds since 1970."""

    @property
    def name(self) -> str:
        """As people know it."""
        return self.tags.get("mlflow.runName", self.run_id)


def finished_runs(store: Store, tags: Mapping[str, str]) -> list[FinishedRun]:
    """The finished runs of the experiment that bear these tags, the latest first.

    Raises:
        PipelineError: the store failed.
    """
    return [_finished(run) for run in search_runs(store, equals(tags, status="FINISHED"))]


def find_finished(store: Store, run_id: str) -> FinishedRun | None:
    """The finished training with this id.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        run = find_run(store, run_id)
    if run is None or run.info.status != "FINISHED" or run.data.tags.get("stage") != "train":
        return None
    return _finished(run)


def search_runs(store: Store, query: str) -> list[StoredRun]:
    """The runs of the experiment for which `query`, from `equals`, holds, the latest first.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        found: list[StoredRun] = []
        token = None
        while True:
            page = store.client.search_runs(
                [store.experiment_id], query, max_results=PAGE, order_by=["start_time DESC"], page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found


def read_config(store: Store, run_id: str) -> dict[str, Any]:
    """The configuration of a training, without what changes no result.

    Raises:
        PipelineError: the run kept none, or it is damaged.
    """
    with TemporaryDirectory() as folder:
        path = download_folder(store, run_id, "config.yaml", Path(folder))
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, ValueError, RecursionError):
            values = None
    if not isinstance(values, dict):
        raise PipelineError(f"the configuration that run {run_id} kept, config.yaml, is damaged")
    return values


def download_folder(store: Store, run_id: str, folder: str, destination: Path) -> Path:
    """Fetch a folder, or a file, of a run's artifacts.

    Raises:
        PipelineError: it is not there.
    """
    with translate_mlflow_errors(store.uri, OSError):
        return artifacts.download(store, f"runs:/{run_id}/{folder}", destination)


def _finished(run: StoredRun) -> FinishedRun:
    return FinishedRun(run.info.run_id, run.data.tags, run.data.params, run.data.metrics, run.info.end_time)
