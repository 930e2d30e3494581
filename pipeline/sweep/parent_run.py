"""A sweep in MLflow: one parent run, and a child for each trial."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.entities import Run as StoredRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from pipeline.runtime.credentials import masked
from pipeline.tracking import artifacts
from pipeline.tracking.finished_runs import search_runs
from pipeline.tracking.query import equals
from pipeline.tracking.run import ERROR_TAG
from pipeline.tracking.store import Store, translate_mlflow_errors

KEY_TAG, VALUES_TAG, FOLDER_TAG = "sweep.key", "trial.values", "trial.folder"
PARENT_TAG = MLFLOW_PARENT_RUN_ID
"""Of a trial: the run of its sweep."""
OBJECTIVE = "best/val_calibrated_loss"
"""What a sweep makes least."""
BEST_SO_FAR = "sweep/best_so_far"


@dataclass(frozen=True)
class TrialRun:
    """A trial as the store has it."""

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""

    @property
    def objective(self) -> float | None:
        """The least calibrated validation loss of a finished trial."""
        return self.metrics.get(OBJECTIVE) if self.status == "FINISHED" else None

    @property
    def error(self) -> str:
        """Why it failed."""
        return self.tags.get(ERROR_TAG, "")

    @property
    def values(self) -> dict[str, str]:
        """What was searched, by key of the configuration."""
        values: dict[str, str] = json.loads(self.tags.get(VALUES_TAG, "{}"))
        return values


def open_sweep(
    store: Store,
    key: str,
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    config: Mapping[str, Any],
) -> str:
    """The id of the parent run of the sweep with this key: the one there is, in whatever state, or a new one.

    Args:
        store: an open store.
        key: of the sweep.
        name: of a new run.
        tags: of the run.
        params: of a new run.
        config: resolved, without what varies; kept with a new run as `config.yaml`.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        known = search_runs(store, equals({KEY_TAG: key}))
        if known:
            run_id = str(known[0].info.run_id)
            store.client.update_run(run_id, status="RUNNING")
            if ERROR_TAG in known[0].data.tags:
                store.client.delete_tag(run_id, ERROR_TAG)
        else:
            run_id = store.client.create_run(store.experiment_id, run_name=name, tags={KEY_TAG: key}).info.run_id
            store.client.log_batch(run_id, params=[Param(k, v) for k, v in params.items()])
            store.client.log_dict(run_id, dict(config), "config.yaml")
        store.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in {**tags, KEY_TAG: key}.items()])
        return run_id


def child_tags(parent: str, values: Mapping[str, str]) -> dict[str, str]:
    """The tags that make a run a trial of a sweep.

    Args:
        parent: run id of the sweep.
        values: what is searched, by key of the configuration; each trial of a sweep has others.
    """
    return {PARENT_TAG: parent, VALUES_TAG: json.dumps(values)}


def find_trials(store: Store, parent: str) -> list[TrialRun]:
    """All trials of a sweep, also those that were trained anew since; the first to start comes first.

    Raises:
        PipelineError: the store failed.
    """
    return [_trial(run) for run in reversed(search_runs(store, equals({PARENT_TAG: parent})))]


def latest_trials(trials: Sequence[TrialRun]) -> list[TrialRun]:
    """Of the trials with the same values the last one that started."""
    return list({trial.tags.get(VALUES_TAG): trial for trial in trials}.values())


def ranked(trials: Sequence[TrialRun]) -> list[TrialRun]:
    """The finished trials, the one with the least objective first."""
    losses = [(loss, i) for i, trial in enumerate(trials) if (loss := trial.objective) is not None]
    return [trials[i] for _, i in sorted(losses)]


def find_sweeps(store: Store, name: str) -> dict[str, str]:
    """The sweeps with this id, this name or this `sweep=`: run ids and names, the latest first.

    Raises:
        PipelineError: the store failed.
    """
    return {
        run.info.run_id: run.info.run_name
        for run in search_runs(store, equals({"stage": "sweep"}))
        if name in (run.info.run_id, run.info.run_name, run.data.tags.get("sweep"))
    }


def record_failure(store: Store, name: str, tags: Mapping[str, str], error: str) -> None:
    """Record that a trial has failed: with the run it has opened, else, or if it finished before, with a new one.

    Args:
        store: an open store.
        name: of a new run.
        tags: of a new run, with those of `child_tags`, which tell the trial.
        error: why.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        attempts = find_trials(store, tags[PARENT_TAG])
        last = next((run for run in reversed(attempts) if run.tags.get(VALUES_TAG) == tags[VALUES_TAG]), None)
        if last is None or last.status == "FINISHED":
            run_id = store.client.create_run(store.experiment_id, run_name=name, tags=dict(tags)).info.run_id
        else:
            run_id = last.run_id
        end_trial(store, run_id, "FAILED", error)


def end_trial(store: Store, run_id: str, status: str, error: str | None) -> None:
    """End a trial as FAILED, with its error, or as KILLED.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        if error is not None:
            store.client.set_tag(run_id, ERROR_TAG, masked(error)[:500])
        store.client.set_terminated(run_id, status)


def remove_model(store: Store, run_id: str) -> None:
    """Remove the artifact `model` of a trial, if it has one.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        if any(file.path == "model" for file in store.client.list_artifacts(run_id)):
            artifacts.delete(store, store.client.get_run(run_id).info.artifact_uri, run_id, "model")


def log_sweep(store: Store, run_id: str, metrics: Mapping[str, float], best_so_far: Sequence[float]) -> None:
    """Add metrics and the curve `sweep/best_so_far`, a point for each trial; what is there already stays as it is.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        known = store.client.get_run(run_id).data.metrics
        logged = len(store.client.get_metric_history(run_id, BEST_SO_FAR)) if BEST_SO_FAR in known else 0
        now = int(time.time() * 1000)
        points = [Metric(key, value, now, 0) for key, value in metrics.items() if known.get(key) != value]
        points += [Metric(BEST_SO_FAR, value, now, i) for i, value in enumerate(best_so_far) if i >= logged]
        store.client.log_batch(run_id, metrics=points)


def close_sweep(
    store: Store, run_id: str, status: str, tags: Mapping[str, str], description: str = "", files: Iterable[Path] = ()
) -> None:
    """End the parent run.

    Args:
        store: an open store.
        run_id: of the parent.
        status: FINISHED, FAILED or KILLED.
        tags: to set.
        description: Markdown for the run's page.
        files: to keep with the run, in its folder `sweep`.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        notes = {MLFLOW_RUN_NOTE: description} if description else {}
        store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in {**tags, **notes}.items()])
        for file in files:
            store.client.log_artifact(run_id, str(file), "sweep")
        store.client.set_terminated(run_id, status)


def _trial(run: StoredRun) -> TrialRun:
    return TrialRun(run.info.run_id, run.info.run_name, run.info.status, run.data.tags, run.data.metrics)
