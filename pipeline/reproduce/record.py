"""What MLflow knows of a run that is to be made again."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.registry.versions import find_alias, run_of_version
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import Record, read_json
from pipeline.sweep.parent_run import OBJECTIVE
from pipeline.tracking.finished_runs import FinishedRun, download_folder, find_finished
from pipeline.tracking.provenance import UNKNOWN, environment
from pipeline.tracking.run import find_run
from pipeline.tracking.store import Store, translate_mlflow_errors

TAGS = ("code.sha256", "data.md5", "git.commit")
PARAMS = ("hardware.device", "hardware.precision", "hardware.threads")
"""With the tags, and the configuration, what a training is made from."""
COMPUTING = ("pytorch-lightning", "numpy", "pyarrow", "scikit-learn", "scipy", "torch", "torchtext")
"""Packages whose version may change a result."""
WEIGHTS = "model/model.safetensors"


class EnvironmentRecord(Record):
    """`environment.json` of a run."""

    python: str
    platform: str
    packages: dict[str, str]


def find_training(store: Store, name: str) -> FinishedRun:
    """The finished training of this id, or of this registered version: `models:/NAME@ALIAS`, `models:/NAME/VERSION`.

    Raises:
        PipelineError: there is none, or it cannot be made again.
    """
    run_id = _run_of_version(store, name) if name.startswith("models:/") else name
    with translate_mlflow_errors(store.uri):
        stored = find_run(store, run_id)
    if stored is None:
        raise PipelineError(f"{name}: {store.name} has no such run; `make ui` shows the ids there are")
    tags, status = stored.data.tags, stored.info.status
    if origin := tags.get("source.run_id"):
        raise PipelineError(
            f"run {run_id} only stands in for run {origin} of another store; give that id, with MLFLOW_TRACKING_URI "
            "naming the store"
        )
    if tags.get("stage") != "train":
        raise PipelineError(f"run {run_id} is no training, its stage is {tags.get('stage')}; give the id of a training")
    run = find_finished(store, run_id)
    if run is None:
        raise PipelineError(f"run {run_id} is {status}; only one that is FINISHED has metrics to confirm")
    lacking = [key for key in TAGS if run.tags.get(key, UNKNOWN) == UNKNOWN]
    lacking += [key for key in PARAMS if key not in run.params]
    lacking += [] if OBJECTIVE in run.metrics else ["metrics"]
    if lacking:
        raise PipelineError(f"run {run_id} cannot be made again: it was recorded without its {lacking[0]}")
    return run


def _run_of_version(store: Store, name: str) -> str:
    parts = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", name)
    if parts is None:
        raise PipelineError(f"{name}: give a version as models:/sentiment@champion or as models:/sentiment/3")
    model, alias, version = parts.groups()
    with translate_mlflow_errors(store.uri):
        if alias and (version := find_alias(store, model, alias)) is None:
            raise PipelineError(f"{name}: {store.name} has no such alias; `make ui` shows those there are")
        if (run_id := run_of_version(store, model, version)) is None:
            raise PipelineError(f"{name}: {store.name} has no such version; `make ui` shows those there are")
        return run_id


def weights_digest(store: Store, run_id: str) -> str | None:
    """SHA-256 of the weights the run kept; None if it kept none, as most trials of a sweep.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri, OSError):
        kept = {file.path for file in store.client.list_artifacts(run_id, Path(WEIGHTS).parent.as_posix())}
    if WEIGHTS not in kept:
        return None
    with TemporaryDirectory() as folder:
        return file_digest(download_folder(store, run_id, WEIGHTS, Path(folder)), "sha256")


def changed_environment(store: Store, run_id: str) -> list[str]:
    """Python, platform and packages that are not those of the run, such as `torch 2.12.0, now 2.13.0`.

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
        for name in ("python", "platform", *COMPUTING)
        if then.get(name) != now.get(name)
    ]
