"""One training, one MLflow run: also when it is stopped and resumed, and whatever way it ends."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from pipeline.files import write_text
from pipeline.tracking.store import Store, clear_errors

log = logging.getLogger(__name__)

SYSTEM_METRICS_SECONDS = 5
ERROR_TAG = "error"
BATCH = 100
"""Most parameters MLflow takes in one call."""


@dataclass(frozen=True)
class Run:
    """A run that is open for logging."""

    store: Store
    run_id: str
    last_steps: Mapping[str, int] = field(default_factory=dict)
    """Last step of each metric before the run was resumed: what is computed again is not logged again."""
    known_params: frozenset[str] = frozenset()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, but for those that already reached `step` before the run was resumed."""
        now = int(time.time() * 1000)
        points = [
            Metric(key, float(value), now, step)
            for key, value in metrics.items()
            if key not in self.last_steps or step > self.last_steps[key]
        ]
        if points:
            self.store.client.log_batch(self.run_id, metrics=points)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record flat parameters. MLflow never changes one; a resumed run keeps those it has."""
        fresh = [Param(key, str(value)) for key, value in params.items() if key not in self.known_params]
        for start in range(0, len(fresh), BATCH):
            self.store.client.log_batch(self.run_id, params=fresh[start : start + BATCH])

    def log_dataset(self, name: str, source: str, digest: str, rows: Mapping[str, int]) -> None:
        """Record the dataset as an input of the run.

        Args:
            name: of the corpus.
            source: where it comes from, for people.
            digest: what identifies its content, at most 36 characters, such as the md5 DVC gives it.
            rows: reviews in each split.
        """
        dataset = Dataset(
            name, digest, source_type="corpus", source=json.dumps({"source": source}), profile=json.dumps(dict(rows))
        )
        tag = InputTag("mlflow.data.context", "training")
        self.store.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, [tag])])

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Store a file, in a folder of the run's artifacts."""
        self.store.client.log_artifact(self.run_id, str(path), folder)

    def log_artifacts(self, path: Path, folder: str | None = None) -> None:
        """Store the content of a folder, in a folder of the run's artifacts."""
        self.store.client.log_artifacts(self.run_id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        """Store a text as the artifact `name`."""
        self.store.client.log_text(self.run_id, text, name)

    def log_dict(self, values: Mapping[str, Any], name: str) -> None:
        """Store a dictionary as the artifact `name`: YAML or JSON, by its ending."""
        self.store.client.log_dict(self.run_id, dict(values), name)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        for key, value in tags.items():
            self.store.client.set_tag(self.run_id, key, value)


@contextmanager
def training_run(
    store: Store,
    name: str,
    tags: Mapping[str, str],
    record: Path | None = None,
    system_metrics: bool = False,
) -> Iterator[Run]:
    """Open a run, and close it with the right status.

    FINISHED; FAILED, with the error in the tag `error`, after an exception; KILLED after an interrupt or termination.

    Args:
        store: an open store.
        name: of a new run.
        tags: of a new run.
        record: file that keeps the run's id; the run it names is opened again where the store still has it.
        system_metrics: also log the load of processor, memory, disk and network.

    Raises:
        PipelineError: the store failed.
    """
    with clear_errors(store.uri):
        known = record.read_text(encoding="utf-8") if record is not None and record.exists() else None
        run = _resume(store, known) or _create(store, name, tags)
        if record is not None:
            write_text(record, run.run_id)
        log.info("MLflow run %s (%s) in %s", name, run.run_id, store.name)
        monitor = _start_monitor(run) if system_metrics else None
        status = "FINISHED"
        try:
            yield run
        except Exception as error:
            status = "FAILED"
            _try_to_tag(run, f"{type(error).__name__}: {error}"[:500])
            raise
        except BaseException:
            status = "KILLED"
            raise
        finally:
            if monitor:
                monitor.finish()  # type: ignore[no-untyped-call]
            _close(run, status)


def find_run(store: Store, run_id: str | None) -> StoredRun | None:
    """The run, or None where the store never had it or it was deleted."""
    if run_id is None:
        return None
    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _create(store: Store, name: str, tags: Mapping[str, str]) -> Run:
    run = store.client.create_run(store.experiment_id, run_name=name, tags=dict(tags))
    return Run(store, run.info.run_id)


def _resume(store: Store, run_id: str | None) -> Run | None:
    found = find_run(store, run_id)
    if found is None:
        return None
    run_id = found.info.run_id
    store.client.update_run(run_id, status="RUNNING")
    if ERROR_TAG in found.data.tags:
        store.client.delete_tag(run_id, ERROR_TAG)
    last_steps = {
        key: max(point.step for point in store.client.get_metric_history(run_id, key))
        for key in found.data.metrics
        if not key.startswith("system/")
    }
    return Run(store, run_id, last_steps, frozenset(found.data.params))


def _start_monitor(run: Run) -> SystemMetricsMonitor | None:
    try:
        monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run.run_id,
            sampling_interval=SYSTEM_METRICS_SECONDS,
            resume_logging=True,  # goes on after the last step there is, which for a new run is the first
            tracking_uri=run.store.uri,
        )
        monitor.start()  # type: ignore[no-untyped-call]
    except Exception as error:  # a training is worth more than the load of its processor
        log.warning("no system metrics: %s", error)
        return None
    return monitor


def _try_to_tag(run: Run, error: str) -> None:
    try:
        run.set_tags({ERROR_TAG: error})
    except MlflowException:  # the store itself may be what failed; the first error is the one to show
        log.warning("the error could not be recorded in MLflow run %s", run.run_id)


def _close(run: Run, status: str) -> None:
    try:
        run.store.client.set_terminated(run.run_id, status)
    except MlflowException:
        if status == "FINISHED":
            raise
        log.warning("MLflow run %s could not be closed as %s", run.run_id, status)
