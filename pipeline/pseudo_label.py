"""Train a teacher on the labelled reviews of artifacts/dataset/ and let it label the unlabelled ones.

Writes artifacts/pseudo_labels/, which `train` adds to the labelled reviews. With pseudo_labels=none, the default, there
is nothing to do. A teacher whose training was stopped goes on after its last finished epoch when the same command is
given again.
"""

import logging
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.config import Config, flatten
from pipeline.inference.scoring import score
from pipeline.networks.build import Network, fixed_length
from pipeline.runtime.paths import WORKSPACE
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_dataset_info, read_split, require_prepared_for, require_whole
from pipeline.tracking.provenance import run_name, run_tags
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.fit import fit_prepared
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained
from pipeline.training.launcher import in_processes
from pipeline.training.pseudo_labels import save_pseudo_labels
from pipeline.training_run import checkpointed_run, help_leader

DATASET = WORKSPACE / "artifacts" / "dataset"
PRETRAINED = WORKSPACE / "artifacts" / "pretrained"
PSEUDO_LABELS = WORKSPACE / "artifacts" / "pseudo_labels"
SCORED_TOGETHER = 1024
"""Reviews sorted by length together, between two steps of the progress bar."""


def main(config: Config, inputs: Inputs) -> None:
    """Write `artifacts/pseudo_labels/`."""
    dataset = read_dataset_info(DATASET)
    require_prepared_for(config, dataset)
    digest = dataset.digest
    asked = config.pseudo_labels
    if asked.teacher is None:
        logging.info("pseudo_labels=none: nothing to label")
        inputs.require_unchanged()
        save_pseudo_labels(PSEUDO_LABELS, config, digest, None, {})
        return
    if not (DATASET / "unlabelled").exists():
        logging.info("this corpus has no unlabelled reviews: nothing to label")
        inputs.require_unchanged()
        save_pseudo_labels(PSEUDO_LABELS, config, digest, np.empty(0, np.float32), {})
        return
    require_whole(DATASET, dataset)
    hardware = resolve_hardware(config.trainer)
    load_pretrained(PRETRAINED, config.pretraining, digest)  # or fail before a run is opened
    teacher = config.model_copy(update={"training": asked.teacher, "seed": asked.seed})
    values = teacher.model_dump(include={"seed", "model", "pretraining", "training"})
    keyed = {"stage": "pseudo_label", **values}
    fit_here = partial(fit_prepared, teacher, DATASET, PRETRAINED, None, hardware)
    if distributed.rank() > 0:
        help_leader(fit_here, keyed, digest, hardware)
        return
    store = connect(config.tracking)
    with checkpointed_run(
        store,
        f"teacher-{run_name(config)}",
        config,
        {**run_tags(config), "stage": "pseudo_label"},
        values=keyed,
        digest=digest,
        splits=dataset.splits,
        hardware=hardware,
    ) as (run, checkpoints):
        run.log_params(flatten({**values, "hardware": hardware.summary()}))
        trained = in_processes(partial(fit_here, checkpoints), hardware, run.log_metrics)
        logits = _score_unlabelled(trained.network, fixed_length(config.model))
        probabilities = trained.calibration.probabilities(logits)
        inputs.require_unchanged()
        save_pseudo_labels(PSEUDO_LABELS, config, digest, probabilities, trained.best)
        run.log_artifacts(PSEUDO_LABELS, "pseudo_labels")


def _score_unlabelled(network: Network, length: int | None) -> NDArray[np.float32]:
    reviews = read_split(DATASET, "unlabelled")
    starts = tqdm(range(0, len(reviews), SCORED_TOGETHER), desc="label", disable=None)
    chunks = (range(start, min(start + SCORED_TOGETHER, len(reviews))) for start in starts)
    return np.concatenate([score(network, [reviews[row] for row in rows], length) for rows in chunks])


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json", "artifacts/pretrained/pretrained.json")
