"""MLflow run of a training: one run, even if the training is stopped and resumed, and however it ends."""

import json
import logging
import shutil
import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from pipeline.runtime.atomic import write_text
from pipeline.runtime.credentials import masked
from pipeline.runtime.paths import project_root
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.query import find_run
from pipeline.tracking.store import DURING_TRAINING, Store, environment_defaults
from pipeline.tracking.system_metrics import SystemMetrics
from pipeline.tracking.unsent import is_copy_of, send_unsent

log = logging.getLogger(__name__)

ERROR_TAG = "error"
PARAMS_PER_CALL = 100
"""Maximum number of parameters that MLflow accepts."""


@dataclass(frozen=True)
class Run:
    """Run that is open for logging. No call that logs waits for the store."""

    run_id: str
    outbox: Outbox
    last_steps: Mapping[str, int] = field(default_factory=dict)
    """Last step of each metric before the run was resumed: steps that are repeated are not logged again."""
    known_params: frozenset[str] = frozenset()
    measured: threading.Event = field(default_factory=threading.Event)
    """Set once a point was logged."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, except those that had reached `step` before the run was resumed."""
        now = get_current_time_millis()
        points = [
            (key, float(value), now, step)
            for key, value in metrics.items()
            if key not in self.last_steps or step > self.last_steps[key]
        ]
        if points:
            self.outbox.add({"metrics": points})
            self.measured.set()

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record flat parameters. MLflow never changes a parameter; a resumed run keeps those it has."""
        fresh = [(key, str(value)) for key, value in params.items() if key not in self.known_params]
        for start in range(0, len(fresh), PARAMS_PER_CALL):
            self.outbox.add({"params": dict(fresh[start : start + PARAMS_PER_CALL])})

    def log_dataset(self, name: str, facts: Mapping[str, str], digest: str, rows: Mapping[str, int]) -> None:
        """Record the dataset as an input of the run.

        Args:
            name: of the corpus.
            facts: its source, licence and citation, for people.
            digest: identifies its content, at most 36 characters, such as DVC's md5.
            rows: number of reviews in each split.
        """
        texts = {"source": json.dumps(dict(facts)), "profile": json.dumps(dict(rows))}
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
        """Store a dictionary as the artifact `name`, as YAML or JSON according to its ending."""
        as_yaml = name.endswith((".yaml", ".yml"))
        self.log_text(yaml.safe_dump(dict(values), sort_keys=False) if as_yaml else json.dumps(values, indent=2), name)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        self.outbox.add({"tags": dict(tags)})

    def read_tag(self, name: str, default: str) -> str:
        """Return a tag as the store has it now, for people may edit it meanwhile; `default` if the store is away.

        The one call that waits for the store, a single attempt.
        """
        try:
            return str(self.outbox.store.client.get_run(self.run_id).data.tags.get(name, default))
        except MlflowException:
            return default


@contextmanager
def open_run(
    store: Store,
    name: str,
    tags: Mapping[str, str],
    record: Path | None = None,
    system_metrics: bool = False,
) -> Iterator[Run]:
    """Open a run for the block, and end it with the status of the block.

    The status is FINISHED; or FAILED, with the error in the tag `error`, after an exception; or KILLED, after an
    interrupt or a termination.

    Args:
        store: an open store.
        name: of a new run.
        tags: of the run; one that is resumed loses any other tags of its earlier attempt.
        record: file that keeps the run's id, beside one with the names of its tags and one with the project's root; the
            run that it names is resumed if the store still has it, unless this project is a copy of that one.
        system_metrics: also log the load of CPU, memory, disk and network.

    Raises:
        PipelineError: the store failed at the beginning; a later failure only delays what is sent.
    """
    with translate_mlflow_errors(store.uri), environment_defaults(DURING_TRAINING):
        send_unsent(store)
        recorded, original = _read(record), _read(record.with_suffix(".root") if record else None)
        if is_copy_of(store, original):
            log.warning(
                "MLflow run %s, in which this training began, is of the project in %s, of which this one is a copy; "
                "it goes on in a new run, which has nothing of what was logged before",
                *(recorded, original),
            )
            recorded = ""
        tag_names = record.with_suffix(".tags") if record else None
        stale = set(_read(tag_names).splitlines()) - tags.keys()
        run = _resume(store, recorded, stale) or _create_run(store, name, tags)
        if record is not None and tag_names is not None:
            write_text(record, run.run_id)
            write_text(tag_names, "\n".join(tags))
            write_text(record.with_suffix(".root"), str(project_root()))
        if recorded and run.run_id != recorded:
            log.warning(
                "MLflow run %s, in which this training began, is not in %s: run %s has nothing of what was logged "
                "before the training stopped",
                *(recorded, store.name, run.run_id),
            )
        log.info("MLflow run %s (%s) in %s", name, run.run_id, store.name)
        monitor = None
        if system_metrics:
            monitor = SystemMetrics.start_for(run.run_id, store.uri, run.log_metrics, run.measured)
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
                monitor.finish()
            try:
                run.outbox.add({"status": status, "at": get_current_time_millis()})
            finally:
                run.outbox.close(store.server_timeout if status == "FINISHED" else 0)


def _create_run(store: Store, name: str, tags: Mapping[str, str]) -> Run:
    run_id = store.create_run(name, tags)
    return Run(run_id, Outbox(store, run_id))


def _read(path: Path | None) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path and path.exists() else ""


def _resume(store: Store, run_id: str, stale: Set[str]) -> Run | None:
    stored = find_run(store, run_id)
    if stored is None:
        return None
    outbox = Outbox(store, stored.info.run_id)
    try:
        return _reopen(store, stored, outbox, stale)
    except BaseException:
        outbox.close(0)
        raise


def _reopen(store: Store, stored: StoredRun, outbox: Outbox, stale: Set[str]) -> Run:
    run_id = stored.info.run_id
    for key in {ERROR_TAG, *stale} & stored.data.tags.keys():  # tags make a run a trial of a sweep, for example
        store.client.delete_tag(run_id, key)
    store.client.update_run(run_id, status="RUNNING")
    last_steps = {
        key: max(point.step for point in store.client.get_metric_history(run_id, key))
        for key in stored.data.metrics
        if not key.startswith("system/")
    }
    return Run(run_id, outbox, last_steps, frozenset(stored.data.params))
