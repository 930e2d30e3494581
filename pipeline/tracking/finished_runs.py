"""Finished runs, read back from the store: tags, parameters, metrics, configuration and artifacts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from mlflow.entities import Run as StoredRun

from pipeline.report.formatting import printable
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json
from pipeline.tracking import artifacts
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.provenance import PROVENANCE
from pipeline.tracking.query import equals, find_run, search_runs
from pipeline.tracking.store import Store


class ProvenanceRecord(Record):
    """`provenance.json` of a run: each value is a text."""

    __pydantic_extra__: dict[str, str]


@dataclass(frozen=True)
class FinishedRun:
    """Record of a finished run in the store."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """Last value of each metric."""
    ended: int = 0
    """Milliseconds since 1970."""

    @property
    def name(self) -> str:
        """Name of the run in the MLflow UI, where anybody may have written it, as one line."""
        return printable(self.tags.get("mlflow.runName", self.run_id))


def finished_runs(store: Store, tags: Mapping[str, str]) -> list[FinishedRun]:
    """Return the finished runs of the experiment that have these tags; the latest come first.

    Raises:
        PipelineError: the store failed.
    """
    return [_as_finished(run) for run in search_runs(store, equals(tags, status="FINISHED"))]


def find_finished(store: Store, run_id: str) -> FinishedRun | None:
    """Return the finished training with this id, or None if there is none.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        run = find_run(store, run_id)
    if run is None or run.info.status != "FINISHED" or run.data.tags.get("stage") != "train":
        return None
    return _as_finished(run)


def with_provenance(store: Store, run: FinishedRun) -> FinishedRun:
    """Add the provenance of a run to its tags; a run without a record of it stays as it is.

    Raises:
        PipelineError: the record is damaged, or the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        if not any(file.path == PROVENANCE for file in store.client.list_artifacts(run.run_id)):
            return run
    with TemporaryDirectory() as folder:
        path = download_folder(store, run.run_id, PROVENANCE, Path(folder))
        origin = read_json(path, ProvenanceRecord, f"use another run than {run.run_id}").model_dump()
    return replace(run, tags={**origin, **run.tags})


def read_config(store: Store, run_id: str) -> dict[str, Any]:
    """Return the configuration of a training, without the sections that change no result.

    Raises:
        PipelineError: the run has no configuration, or a damaged one.
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
    """Download a folder, or a file, of a run's artifacts, and return its path.

    Raises:
        PipelineError: the run has no such artifact, or the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        return artifacts.download(store, f"runs:/{run_id}/{folder}", destination)


def _as_finished(run: StoredRun) -> FinishedRun:
    return FinishedRun(run.info.run_id, run.data.tags, run.data.params, run.data.metrics, run.info.end_time)
