"""One resumable training as one MLflow run: the skeleton of the stages pretrain, pseudo_label and train."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.cli import log_to
from pipeline.config.comparison import flatten
from pipeline.config.schema import Config
from pipeline.runtime.code_digest import Code
from pipeline.runtime.exclusive_lock import exclusive_lock
from pipeline.runtime.paths import project_root
from pipeline.text.dataset import DatasetRecord
from pipeline.tracking.description import NOTE_TAG, renewed, run_description, with_result
from pipeline.tracking.provenance import PROVENANCE, shown_tags
from pipeline.tracking.run import Run, open_run
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.hardware import Hardware
from pipeline.training.launcher import ignore_metrics, launch

Outcome = TypeVar("Outcome")


def train_in_run(
    train: Callable[..., Outcome],
    save: Callable[[Run, Outcome], None],
    *,
    stage: str,
    name: str,
    tags: Mapping[str, str],
    config: Config,
    values: Mapping[str, Any],
    params: Mapping[str, Any],
    dataset: DatasetRecord,
    hardware: Hardware,
    describe: Callable[[Run], None] = lambda _run: None,
    result: Callable[[Outcome], str] = lambda _outcome: "",
) -> Outcome:
    """Train within one MLflow run, and save the result; resume the run and the training if they were stopped.

    The same training has the same stage, values, data, code and hardware. Its checkpoints stay until the result is
    saved, and a second process with the same training waits for the first. Log lines are kept with the run.

    In a process whose rank is above 0 only its part of the training is done: no run is opened and nothing is saved.

    Args:
        train: called with the folder of the checkpoints and with `log_metrics`; picklable.
        save: called with the open run and the result of `train`.
        stage: name of the stage.
        name: name of a new run.
        tags: what the run was made from, as of `origin_of`, and more tags; `shown_tags` become tags of the run, and all
            are in its artifact provenance.json.
        config: the whole configuration.
        values: the part of the configuration that decides the result.
        params: parameters of the run.
        dataset: `dataset.json` of the data.
        hardware: from `resolve_hardware`.
        describe: logs more about the run before the training starts.
        result: describes what was reached, as Markdown; the description of the run then begins with it.

    Returns:
        the result of `train`.

    Raises:
        PipelineError: the MLflow store failed when the run was opened, or a process of the training failed.
    """
    checkpoints = _checkpoint_folder(stage, values, dataset.digest, hardware)
    if distributed.rank() > 0:
        logging.getLogger().setLevel(logging.WARNING)
        return train(checkpoints, log_metrics=ignore_metrics)
    origin, tags = dict(tags), shown_tags(tags)
    tags = {**tags, "stage": stage, "mlflow.source.name": f"pipeline.{stage}"}
    tags[NOTE_TAG] = run_description(config.corpus, {**origin, "stage": stage}, dataset.splits, dataset.left_out)
    with _open_run(config, name, tags, checkpoints) as run:
        run.log_params({**params, **flatten({"hardware": hardware.summary()})})
        run.log_dict(origin, PROVENANCE)
        describe(run)
        if hardware.processes > distributed.world_size():
            outcome = launch(partial(train, checkpoints), hardware, run.log_metrics)
        else:
            outcome = train(checkpoints, log_metrics=run.log_metrics)
        save(run, outcome)
        if reached := result(outcome):
            run.set_tags({NOTE_TAG: with_result(run.read_tag(NOTE_TAG, tags[NOTE_TAG]), reached)})
    return outcome


@contextmanager
def _open_run(config: Config, name: str, tags: Mapping[str, str], checkpoints: Path) -> Iterator[Run]:
    """Open the run of a training, or the one that its checkpoints name; remove the checkpoints when all went well."""
    store = connect(config.tracking)
    checkpoints.parent.mkdir(exist_ok=True)
    with exclusive_lock(
        checkpoints.with_suffix(".lock"), f"another process runs the same training; waiting for {checkpoints.name}"
    ):
        with (
            open_run(store, name, tags, checkpoints / "run_id", config.tracking.system_metrics) as run,
            log_to(checkpoints / "train.log", then=lambda path: run.log_artifact(path, "logs")),
        ):
            # the tags of a resumed run are those of its last attempt, but for what a person wrote into its description
            note = renewed(run.read_tag(NOTE_TAG, ""), tags[NOTE_TAG])
            run.set_tags({**tags, NOTE_TAG: note, "mlflow.runName": name})
            yield run
        shutil.rmtree(checkpoints)


def _checkpoint_folder(stage: str, values: Mapping[str, Any], digest: str, hardware: Hardware) -> Path:
    """Return the folder for the checkpoints of a training, named by stage, configuration, data, code and hardware."""
    key = hashlib.sha256(digest.encode())
    key.update(json.dumps([stage, values, asdict(hardware)], sort_keys=True).encode())
    code = Code()
    key.update(code.digest(*(module for module in code.files if module.startswith("pipeline.training."))).encode())
    return project_root() / ".checkpoints" / key.hexdigest()[:16]
