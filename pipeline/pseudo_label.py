"""Train a teacher on the labelled reviews of artifacts/dataset/, and label the unlabelled reviews with it.

Writes artifacts/pseudo_labels/, which `train` adds to the labelled reviews. With pseudo_labels=none, the default, there
is nothing to do. If the training of the teacher was stopped, run the same command again: it resumes after the last
finished epoch.
"""

import logging
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.config.schema import Config
from pipeline.inference.scoring import score
from pipeline.networks.build import Network, fixed_length
from pipeline.runtime.paths import DATASET, PRETRAINED, PSEUDO_LABELS
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_dataset_info, read_split, require_prepared_for, require_whole
from pipeline.tracking.provenance import run_name, run_tags
from pipeline.tracking.run import Run
from pipeline.training.fit import FitResult, fit
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained
from pipeline.training.pseudo_labels import save_pseudo_labels
from pipeline.training_run import train_in_run

SORTED_TOGETHER = 1024
"""Reviews that are sorted by length together, and labelled between two steps of the progress bar."""


def main(config: Config, inputs: Inputs) -> None:
    """Write `artifacts/pseudo_labels/`."""
    dataset = read_dataset_info(DATASET)
    require_prepared_for(config, dataset)
    settings = config.pseudo_labels
    if settings.teacher is None:
        logging.info("pseudo_labels=none: nothing to label")
        inputs.require_unchanged()
        save_pseudo_labels(PSEUDO_LABELS, config, dataset.digest, None, {})
        return
    if not (DATASET / "unlabelled").exists():
        logging.info("this corpus has no unlabelled reviews: nothing to label")
        inputs.require_unchanged()
        none = np.empty((0, len(dataset.corpus.classes)), np.float32)
        save_pseudo_labels(PSEUDO_LABELS, config, dataset.digest, none, {})
        return
    require_whole(DATASET, dataset)
    hardware = resolve_hardware(config.trainer)
    pretrained = load_pretrained(PRETRAINED, config.pretraining, dataset.digest)
    teacher = config.model_copy(update={"training": settings.teacher, "seed": settings.seed})

    def save(run: Run, trained: FitResult) -> None:
        logits = _score_unlabelled(trained.network.to(hardware.device), fixed_length(config.model))
        probabilities = trained.calibration.probabilities(logits)
        inputs.require_unchanged()
        save_pseudo_labels(PSEUDO_LABELS, config, dataset.digest, probabilities, trained.best)
        run.log_artifacts(PSEUDO_LABELS, "pseudo_labels")

    train_in_run(
        partial(fit, teacher, DATASET, hardware, pretrained=pretrained),
        save,
        stage="pseudo_label",
        name=f"teacher-{run_name(config)}",
        tags=run_tags(config),
        config=config,
        values=teacher.model_dump(include={"seed", "model", "pretraining", "training"}),
        dataset=dataset,
        hardware=hardware,
    )


def _score_unlabelled(network: Network, length: int | None) -> NDArray[np.float32]:
    reviews = read_split(DATASET, "unlabelled")
    starts = tqdm(range(0, len(reviews), SORTED_TOGETHER), desc="label", disable=None)
    chunks = (range(start, min(start + SORTED_TOGETHER, len(reviews))) for start in starts)
    return np.concatenate([score(network, [reviews[row] for row in rows], length) for rows in chunks])


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json", "artifacts/pretrained/pretrained.json")
