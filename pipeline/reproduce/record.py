"""MLflow's record of the run to reproduce."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.evaluation.records import DetailsRecord
from pipeline.registry.model_lookup import VERSION_URI
from pipeline.registry.versions import find_alias, run_of_version
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json
from pipeline.sweep.parent_run import OBJECTIVE
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.finished_runs import FinishedRun, download_folder, find_finished, with_provenance
from pipeline.tracking.metric_points import defined_metrics
from pipeline.tracking.provenance import UNKNOWN_ORIGIN, environment
from pipeline.tracking.query import find_run
from pipeline.tracking.store import Store

REQUIRED_TAGS = ("code.sha256", "data.md5", "git.commit")
REQUIRED_PARAMS = ("hardware.device", "hardware.precision", "hardware.threads")
"""With the configuration, these tags and parameters are what a training depends on."""
NUMERICAL_PACKAGES = ("pytorch-lightning", "numpy", "pyarrow", "scikit-learn", "scipy", "torch", "torchtext")
"""Packages whose versions may change a result."""
EVALUATION = "reports/details.json"
"""Path of the figures of the evaluation among the artifacts of a run."""
WEIGHTS = "model/model.safetensors"
"""Path of the weights among the artifacts of a run, and in artifacts/."""


class EnvironmentRecord(Record):
    """`environment.json` of a run."""

    python: str
    platform: str
    packages: dict[str, str]


def find_training(store: Store, name: str) -> FinishedRun:
    """Find the finished training run with this id, or of a version: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises:
        PipelineError: there is none, or its record is not enough to reproduce it.
    """
    run_id = _run_of_model_uri(store, name) if name.startswith("models:/") else name
    with translate_mlflow_errors(store.uri):
        stored = find_run(store, run_id)
    if stored is None:
        raise PipelineError(f"{name}: {store.name} has no such run; `make ui` shows the ids of all runs")
    tags, status = stored.data.tags, stored.info.status
    if origin := tags.get("source.run_id"):
        raise PipelineError(
            f"run {run_id} is a placeholder for run {origin} of another store; use that id, and set "
            "MLFLOW_TRACKING_URI to that store"
        )
    if tags.get("stage") != "train":
        raise PipelineError(f"run {run_id} is of the stage {tags.get('stage')}; use the id of a training run")
    run = find_finished(store, run_id)
    if run is None:
        raise PipelineError(f"run {run_id} is {status}; only a FINISHED run has metrics to reproduce")
    run = with_provenance(store, run)
    missing = [key for key in REQUIRED_TAGS if run.tags.get(key, UNKNOWN_ORIGIN) == UNKNOWN_ORIGIN]
    missing += [key for key in REQUIRED_PARAMS if key not in run.params]
    missing += [] if OBJECTIVE in run.metrics else ["metrics"]
    if missing:
        raise PipelineError(f"run {run_id} cannot be reproduced: it was recorded without its {missing[0]}")
    return run


def _run_of_model_uri(store: Store, name: str) -> str:
    parts = VERSION_URI.fullmatch(name)
    if parts is None:
        raise PipelineError(f"{name}: write a version as models:/sentiment@champion or models:/sentiment/3")
    model, alias, version = parts.groups()
    with translate_mlflow_errors(store.uri):
        if alias and (version := find_alias(store, model, alias)) is None:
            raise PipelineError(f"{name}: {store.name} has no such alias; `make ui` shows all aliases")
        if (run_id := run_of_version(store, model, version)) is None:
            raise PipelineError(f"{name}: {store.name} has no such version; `make ui` shows all versions")
        return run_id


def recorded_metrics(store: Store, run: FinishedRun) -> dict[str, float]:
    """Return all metrics of a run: those that MLflow charts, and every figure of its `reports/details.json`.

    Raises:
        PipelineError: the details are damaged, or the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        reports = {file.path for file in store.client.list_artifacts(run.run_id, Path(EVALUATION).parent.as_posix())}
    if EVALUATION not in reports:  # it was not evaluated, or by a version that logged every figure as a metric
        return dict(run.metrics)
    with TemporaryDirectory() as folder:
        path = download_folder(store, run.run_id, EVALUATION, Path(folder))
        details = read_json(path, DetailsRecord, "the run cannot be compared").model_dump(exclude_unset=True)
    return {**defined_metrics(details), **run.metrics}


def weights_digest(store: Store, run_id: str) -> str | None:
    """Return the SHA-256 of the weights that the run kept; None if it kept none, like most trials of a sweep.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        artifacts = {file.path for file in store.client.list_artifacts(run_id, Path(WEIGHTS).parent.as_posix())}
    if WEIGHTS not in artifacts:
        return None
    with TemporaryDirectory() as folder:
        return file_digest(download_folder(store, run_id, WEIGHTS, Path(folder)), "sha256")


def changed_environment(store: Store, run_id: str) -> list[str]:
    """List the versions of Python, platform and packages that differ from the run's: `torch 2.12.0, now 2.13.0`.

    Raises:
        PipelineError: the run kept no record of them.
    """
    with TemporaryDirectory() as folder:
        path = download_folder(store, run_id, "environment.json", Path(folder))
        recorded = read_json(path, EnvironmentRecord, "the run cannot be compared").model_dump()
    present: dict[str, Any] = environment()
    then, now = ({**values["packages"], **values} for values in (recorded, present))
    return [
        f"{name} {then.get(name)}, now {now.get(name)}"
        for name in ("python", "platform", *NUMERICAL_PACKAGES)
        if then.get(name) != now.get(name)
    ]
