"""One training, one MLflow run: also when it is stopped and resumed, and whatever way it ends."""

import json
import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException

from pipeline.runtime.credentials import masked
from pipeline.runtime.files import write_text
from pipeline.tracking.outbox import Outbox, send_unsent
from pipeline.tracking.store import DURING_TRAINING, Store, environment_defaults, translate_mlflow_errors
from pipeline.tracking.system_metrics import SystemMetrics

log = logging.getLogger(__name__)

RUN_ID = re.compile(r"[0-9a-f]{32}")
"""As MLflow makes them."""
ERROR_TAG = "error"
BATCH = 100
"""Most parameters MLflow takes in one call."""


@dataclass(frozen=True)
class Run:
    """A run that is open for logging. Nothing it is told waits for the store."""

    run_id: str
    outbox: Outbox
    last_steps: Mapping[str, int] = field(default_factory=dict)
    """Last step of each metric before the run was resumed: what is computed again is not logged again."""
    known_params: frozenset[str] = frozenset()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, but for those that already reached `step` before the run was resumed."""
        now = _now()
        points = [
            (key, float(value), now, step)
            for key, value in metrics.items()
            if key not in self.last_steps or step > self.last_steps[key]
        ]
        if points:
            self.outbox.add({"metrics": points})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record flat parameters. MLflow never changes one; a resumed run keeps those it has."""
        fresh = [(key, str(value)) for key, value in params.items() if key not in self.known_params]
        for start in range(0, len(fresh), BATCH):
            self.outbox.add({"params": dict(fresh[start : start + BATCH])})

    def log_dataset(self, name: str, source: str, digest: str, rows: Mapping[str, int]) -> None:
        """Record the dataset as an input of the run.

        Args:
            name: of the corpus.
            source: where it comes from, for people.
            digest: what identifies its content, at most 36 characters, such as the md5 DVC gives it.
            rows: reviews in each split.
        """
        texts = {"source": json.dumps({"source": source}), "profile": json.dumps(dict(rows))}
        self.outbox.add({"dataset": {"name": name, "digest": digest, "source_type": "corpus", **texts}})

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Store a file, in a folder of the run's artifacts."""
        with self.outbox.files(folder) as copy:
            shutil.copyfile(path, copy / path.name)

    def log_artifacts(self, path: Path, folder: str | None = None) -> None:
        """Store the content of a folder, in a folder of the run's artifacts."""
        with self.outbox.files(folder) as copy:
            shutil.copytree(path, copy, dirs_exist_ok=True)

    def log_text(self, text: str, name: str) -> None:
        """Store a text as the artifact `name`."""
        folder, _, file = name.rpartition("/")
        with self.outbox.files(folder or None) as copy:
            write_text(copy / file, text)

    def log_dict(self, values: Mapping[str, Any], name: str) -> None:
        """Store a dictionary as the artifact `name`: YAML or JSON, by its ending."""
        as_yaml = name.endswith((".yaml", ".yml"))
        self.log_text(yaml.safe_dump(dict(values), sort_keys=False) if as_yaml else json.dumps(values, indent=2), name)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        self.outbox.add({"tags": dict(tags)})


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
        PipelineError: the store failed at the beginning; later failures only delay what is sent.
    """
    with translate_mlflow_errors(store.uri), environment_defaults(DURING_TRAINING):
        send_unsent(store)
        known = record.read_text(encoding="utf-8", errors="replace") if record is not None and record.exists() else None
        run = _resume(store, known) or _create(store, name, tags)
        if record is not None:
            write_text(record, run.run_id)
        log.info("MLflow run %s (%s) in %s", name, run.run_id, store.name)
        monitor = SystemMetrics.start_for(run.run_id, store.uri, run.log_metrics) if system_metrics else None
        status = "FINISHED"
        try:
            yield run
        except Exception as error:
            status = "FAILED"
            run.set_tags({ERROR_TAG: masked(f"{type(error).__name__}: {error}")[:500]})
            raise
        except BaseException:
            status = "KILLED"
            raise
        finally:
            if monitor:
                monitor.finish()  # type: ignore[no-untyped-call]
            try:
                run.outbox.add({"status": status, "at": _now()})
            finally:
                run.outbox.close(store.patience if status == "FINISHED" else 0)


def find_run(store: Store, run_id: str | None) -> StoredRun | None:
    """The run, or None where the store never had it or it was deleted.

    A server with accounts answers that one may not see what it does not have.
    """
    if run_id is None or not RUN_ID.fullmatch(run_id):
        return None
    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _create(store: Store, name: str, tags: Mapping[str, str]) -> Run:
    run = store.client.create_run(store.experiment_id, run_name=name, tags=dict(tags))
    return Run(run.info.run_id, Outbox(store, run.info.run_id))


def _resume(store: Store, run_id: str | None) -> Run | None:
    found = find_run(store, run_id)
    if found is None:
        return None
    outbox = Outbox(store, found.info.run_id)
    try:
        return _reopened(store, found, outbox)
    except BaseException:
        outbox.close(0)
        raise


def _reopened(store: Store, found: StoredRun, outbox: Outbox) -> Run:
    run_id = found.info.run_id
    store.client.update_run(run_id, status="RUNNING")
    if ERROR_TAG in found.data.tags:
        store.client.delete_tag(run_id, ERROR_TAG)
    last_steps = {
        key: max(point.step for point in store.client.get_metric_history(run_id, key))
        for key in found.data.metrics
        if not key.startswith("system/")
    }
    return Run(run_id, outbox, last_steps, frozenset(found.data.params))


def _now() -> int:
    return int(time.time() * 1000)
