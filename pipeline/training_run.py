"""A training as one MLflow run that can be stopped and taken up again: what `train` and `pretrain` share."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pipeline.cli import log_to
from pipeline.config import Config
from pipeline.runtime.exclusive_lock import exclusive_lock
from pipeline.runtime.paths import project_root
from pipeline.tracking.description import NOTE_TAG, run_description
from pipeline.tracking.run import Run, training_run
from pipeline.tracking.store import Store
from pipeline.training.hardware import Hardware
from pipeline.training.trainer import training_key

Result = TypeVar("Result")


def checkpoint_folder(values: Mapping[str, Any], digest: str, hardware: Hardware) -> Path:
    """The folder of a training's checkpoints; the arguments are those of `checkpointed_run`."""
    return project_root() / ".checkpoints" / training_key(values, digest, hardware)


def help_leader(train: Callable[..., Result], values: Mapping[str, Any], digest: str, hardware: Hardware) -> Result:
    """Do this process's part of a training that another, rank 0, leads: it logs nothing, and no MLflow run is opened.

    Args:
        train: called with the folder of the checkpoints and `log_metrics`.
        values: as for `checkpointed_run`, like the other arguments.
        digest: of the data.
        hardware: from `resolve_hardware`.
    """
    logging.getLogger().setLevel(logging.WARNING)
    return train(checkpoint_folder(values, digest, hardware), log_metrics=lambda *_: None)


@contextmanager
def checkpointed_run(
    store: Store,
    name: str,
    config: Config,
    tags: Mapping[str, str],
    *,
    values: Mapping[str, Any],
    digest: str,
    splits: Mapping[str, int],
    hardware: Hardware,
) -> Iterator[tuple[Run, Path]]:
    """Open the MLflow run of a training, and a folder for its checkpoints, which stays until all has gone well.

    A training with the same values, data, code and hardware finds run and checkpoints again; two of them at once wait
    for one another. What is logged in the block is also kept with the run.

    Args:
        store: an open store.
        name: of a new run.
        config: the whole configuration.
        tags: of the run: those of `run_tags`, `stage`, and others.
        values: of the configuration, those that make the training what it is.
        digest: of the data.
        splits: reviews in each.
        hardware: from `resolve_hardware`.

    Yields:
        the run; the folder, which may not exist yet.

    Raises:
        PipelineError: the store failed.
    """
    checkpoints = checkpoint_folder(values, digest, hardware)
    checkpoints.parent.mkdir(exist_ok=True)
    with exclusive_lock(
        checkpoints.with_suffix(".lock"), f"another process trains the same; waiting for {checkpoints.name}"
    ):
        record, system_metrics = checkpoints / "run_id", config.tracking.system_metrics
        all_tags = {
            **tags,
            "mlflow.source.name": f"pipeline.{tags['stage']}",
            "mlflow.source.type": "LOCAL",
        }
        all_tags[NOTE_TAG] = run_description(config.corpus, all_tags, splits)
        with (
            training_run(store, name, all_tags, record, system_metrics) as run,
            log_to(checkpoints / "train.log", then=lambda path: run.log_artifact(path, "logs")),
        ):
            run.set_tags({**all_tags, "mlflow.runName": name})  # a resumed run is the resumer's
            yield run, checkpoints
        shutil.rmtree(checkpoints)
