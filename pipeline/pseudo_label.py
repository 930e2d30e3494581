"""Train teachers on the labelled reviews of artifacts/dataset/, and label the unlabelled reviews with them.

Writes artifacts/pseudo_labels/, which `train` adds to the labelled reviews. With pseudo_labels=none, the default, there
is nothing to do. If the training of a teacher was stopped, run the same command again: it resumes after the last
finished epoch.
"""

import logging
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.config.schema import Config
from pipeline.inference.scoring import score
from pipeline.networks.build import fixed_length
from pipeline.runtime.paths import DATASET, PRETRAINED, PSEUDO_LABELS
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_dataset_info, read_split, require_prepared_for, require_whole
from pipeline.tracking.hyperparameters import hyperparameters
from pipeline.tracking.provenance import origin_of, run_name
from pipeline.tracking.run import Run
from pipeline.training.fit import FitResult
from pipeline.training.hardware import Hardware, resolve_hardware
from pipeline.training.initial_weights import load_pretrained
from pipeline.training.pseudo_labels import save_pseudo_labels, teacher_config
from pipeline.training.teachers import fit_teachers
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

    def save(run: Run, trained: Mapping[int, FitResult]) -> None:
        each = [_probabilities(teacher, hardware, fixed_length(config.model)) for teacher in trained.values()]
        probabilities = np.asarray(np.mean(each, axis=0), np.float32)
        inputs.require_unchanged()
        best = {seed: teacher.best for seed, teacher in trained.items()}
        save_pseudo_labels(PSEUDO_LABELS, config, dataset.digest, probabilities, best)
        run.log_artifacts(PSEUDO_LABELS, "pseudo_labels")

    train_in_run(
        partial(fit_teachers, config, DATASET, hardware, pretrained=pretrained),
        save,
        stage="pseudo_label",
        name=f"teacher {run_name(config)}",
        tags=origin_of(config),
        config=config,
        values=teacher_config(config),
        params=hyperparameters(config),
        dataset=dataset,
        hardware=hardware,
    )


def _probabilities(teacher: FitResult, hardware: Hardware, length: int | None) -> NDArray[np.float32]:
    """Return a teacher's probabilities [n, classes] for the unlabelled reviews."""
    network = teacher.network.to(hardware.device)
    reviews = read_split(DATASET, "unlabelled")
    starts = tqdm(range(0, len(reviews), SORTED_TOGETHER), desc="label", disable=None, leave=False)
    chunks = (range(start, min(start + SORTED_TOGETHER, len(reviews))) for start in starts)
    logits = np.concatenate([score(network, [reviews[row] for row in rows], length) for rows in chunks])
    network.cpu()
    return teacher.calibration.probabilities(logits)


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json", "artifacts/pretrained/pretrained.json")
