"""A sweep in MLflow: a parent run, and a child run for each trial."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.entities import Run as StoredRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE
from mlflow.utils.time import get_current_time_millis

from pipeline.runtime.credentials import masked
from pipeline.tracking import artifacts
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.metric_points import changed_points
from pipeline.tracking.provenance import PROVENANCE, shown_tags
from pipeline.tracking.query import equals, search_runs
from pipeline.tracking.run import ERROR_TAG
from pipeline.tracking.store import PROJECT_TAG, Store
from pipeline.tracking.unsent import send_unsent

KEY_TAG, VALUES_TAG, FOLDER_TAG = "sweep.key", "trial.values", "trial.folder"
PARENT_TAG = MLFLOW_PARENT_RUN_ID
"""Tag of a trial with the id of its parent run."""
OBJECTIVE = "val/calibrated_loss"
"""Metric that sweeps minimise; its last point is that of the epoch that was kept."""
DATA_TAG = "data.md5"
"""Tag of a parent run: what is measured on the same data is read back by it."""
BEST_SO_FAR = "sweep/best_so_far"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialRun:
    """A trial as stored in MLflow."""

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    """Last value of each metric."""

    @property
    def objective(self) -> float | None:
        """Lowest calibrated validation loss; None for a trial that has not finished."""
        return self.metrics.get(OBJECTIVE) if self.status == "FINISHED" else None

    @property
    def error(self) -> str:
        """Reason for its failure, or an empty string."""
        return self.tags.get(ERROR_TAG, "")

    @property
    def values(self) -> dict[str, str]:
        """Searched values, by key of the configuration."""
        values: dict[str, str] = json.loads(self.tags.get(VALUES_TAG, "{}"))
        return values


def open_sweep(
    store: Store,
    key: str,
    name: str,
    origin: Mapping[str, str],
    params: Mapping[str, str],
    config: Mapping[str, Any],
) -> str:
    """Open the parent run of a sweep: this project's run with its key, whatever its state, or a new one.

    Others may run the same sweep on the same server. Each project has a run of its own, because the end of a sweep ends
    and removes what its trials left. What earlier trials could not send is sent first: they may have finished.

    Args:
        store: where the run is.
        key: identifies the sweep, see `sweep_key`.
        name: name of a new run.
        origin: what the sweep is made from, its kind and launcher; set in either case.
        params: parameters of a new run.
        config: resolved configuration without the searched values; a new run keeps it as `config.yaml`.

    Returns:
        the id of the run.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        send_unsent(store)
        same = search_runs(store, equals({KEY_TAG: key}))
        existing = [run for run in same if store.is_own(run.data.tags)]
        if existing:
            run_id = str(existing[0].info.run_id)
            store.client.update_run(run_id, status="RUNNING")
            if ERROR_TAG in existing[0].data.tags:
                store.client.delete_tag(run_id, ERROR_TAG)
        else:
            if same:
                user = same[0].data.tags.get("mlflow.user", "someone")
                log.info("%s runs this sweep, too, in another project: run %s", user, same[0].info.run_id)
            run_id = store.create_run(name, {KEY_TAG: key, PROJECT_TAG: store.project})
            store.client.log_batch(run_id, params=[Param(k, v) for k, v in params.items()])
            store.client.log_dict(run_id, dict(config), "config.yaml")
        store.client.log_dict(run_id, dict(origin), PROVENANCE)
        tags = {**shown_tags(origin), DATA_TAG: origin[DATA_TAG], KEY_TAG: key}
        store.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        return run_id


def child_tags(parent: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that make a run a trial of a sweep.

    Args:
        parent: run id of the sweep.
        values: searched values, by key of the configuration; they differ between the trials of a sweep.
    """
    return {PARENT_TAG: parent, VALUES_TAG: json.dumps(values)}


def find_trials(store: Store, parent: str) -> list[TrialRun]:
    """Return all trials of a sweep by start time, including those that were trained again later.

    Other runs that somebody has nested below the sweep are no trials of it.

    Raises:
        PipelineError: the store failed.
    """
    nested = reversed(search_runs(store, equals({PARENT_TAG: parent})))
    return [_trial_run(run) for run in nested if VALUES_TAG in run.data.tags]


def latest_trials(trials: Sequence[TrialRun], *, rerun: bool = False) -> list[TrialRun]:
    """Keep only one of the trials with the same values: the last that finished, or else the last that started.

    A finished trial is not trained again, so an attempt that seems to be later had a fast clock.

    Args:
        trials: trials by start time.
        rerun: the value of `sweep.rerun`; if it is true, keep the last that started, even if an earlier one finished.
    """
    latest: dict[str | None, TrialRun] = {}
    for trial in trials:
        values = trial.tags.get(VALUES_TAG)
        if rerun or trial.status == "FINISHED" or values not in latest or latest[values].status != "FINISHED":
            latest[values] = trial
    return list(latest.values())


def ranked(trials: Sequence[TrialRun]) -> list[TrialRun]:
    """Return the finished trials, the one with the lowest objective first."""
    losses = [(loss, i) for i, trial in enumerate(trials) if (loss := trial.objective) is not None]
    return [trials[i] for _, i in sorted(losses)]


def find_sweeps(store: Store, name: str) -> list[StoredRun]:
    """Return the sweep with this id, or this project's sweeps with this name or choice of `sweep=`, the latest first.

    Raises:
        PipelineError: the store failed.
    """
    return [
        run
        for run in search_runs(store, equals({"stage": "sweep"}))
        if run.info.run_id == name
        or (store.is_own(run.data.tags) and name in (run.info.run_name, run.data.tags.get("sweep")))
    ]


def record_failure(store: Store, name: str, tags: Mapping[str, str], error: str) -> None:
    """Record that a trial has failed: in the run it opened, or in a new one if it opened none or that one finished.

    Args:
        store: where the runs are.
        name: name of a new run.
        tags: tags of a new run; those of `child_tags` identify the trial.
        error: reason for the failure.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        attempts = find_trials(store, tags[PARENT_TAG])
        last = next((run for run in reversed(attempts) if run.tags.get(VALUES_TAG) == tags[VALUES_TAG]), None)
        run_id = store.create_run(name, shown_tags(tags)) if last is None or last.status == "FINISHED" else last.run_id
        end_trial(store, run_id, "FAILED", error)


def end_trial(store: Store, run_id: str, status: str, error: str | None) -> None:
    """End a trial with the status FAILED, and its error, or KILLED.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        if error is not None:
            store.client.set_tag(run_id, ERROR_TAG, masked(error)[:500])
        store.client.set_terminated(run_id, status)


def remove_model_artifact(store: Store, run_id: str) -> None:
    """Remove the artifact `model` of a trial, if it has one.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        if any(file.path == "model" for file in store.client.list_artifacts(run_id)):
            artifacts.delete(store, store.client.get_run(run_id).info.artifact_uri, run_id, "model")


def log_sweep(store: Store, run_id: str, metrics: Mapping[str, float], best_so_far: Sequence[float]) -> None:
    """Log metrics and the curve `sweep/best_so_far`, one point for each trial, except for points that exist already.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        run, now = store.client.get_run(run_id), get_current_time_millis()
        logged = len(store.client.get_metric_history(run_id, BEST_SO_FAR)) if BEST_SO_FAR in run.data.metrics else 0
        points = changed_points(store, run, metrics)
        points += [Metric(BEST_SO_FAR, value, now, i) for i, value in enumerate(best_so_far) if i >= logged]
        store.client.log_batch(run_id, metrics=points)


def close_sweep(
    store: Store, run_id: str, status: str, tags: Mapping[str, str], description: str = "", files: Iterable[Path] = ()
) -> None:
    """End the parent run.

    Args:
        store: where the run is.
        run_id: id of the parent run.
        status: FINISHED, FAILED or KILLED.
        tags: tags to set.
        description: Markdown for the run's page.
        files: files to keep in the run's folder `sweep`.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        notes = {MLFLOW_RUN_NOTE: description} if description else {}
        store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in {**tags, **notes}.items()])
        for file in files:
            store.client.log_artifact(run_id, str(file), "sweep")
        store.client.set_terminated(run_id, status)


def _trial_run(run: StoredRun) -> TrialRun:
    return TrialRun(run.info.run_id, run.info.run_name, run.info.status, run.data.tags, run.data.metrics)
