"""Train teachers on the labelled reviews of artifacts/dataset/, and label the unlabelled reviews with them.

Writes artifacts/pseudo_labels/, which `train` adds to the labelled reviews. With pseudo_labels=none, the default, there
is nothing to do. If the training of a teacher was stopped, run the same command again: it resumes from its newest
checkpoint.
"""

import logging
from collections.abc import Mapping
from functools import partial

import numpy as np

from pipeline.config.schema import Config
from pipeline.runtime.garbage import importing
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DATASET, PRETRAINED, PSEUDO_LABELS
from pipeline.stage import run_stage
from pipeline.text.dataset import read_dataset_record, require_prepared_for, require_whole
from pipeline.tracking.hyperparameters import hyperparameters
from pipeline.tracking.provenance import origin_of, run_name
from pipeline.training.pseudo_labels import save_pseudo_labels, teacher_config


def main(config: Config, inputs: Inputs) -> None:
    """Write `artifacts/pseudo_labels/`."""
    dataset = read_dataset_record(DATASET)
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
    with importing():  # torch, Lightning and MLflow, which take longer than to say that there is nothing to do
        from pipeline.tracking.run import Run
        from pipeline.training.fit import FitResult
        from pipeline.training.hardware import resolve_hardware
        from pipeline.training.initial_weights import load_pretrained
        from pipeline.training.teachers import fit_teachers, label
        from pipeline.training_run import train_in_run
    require_whole(DATASET, dataset)
    hardware = resolve_hardware(config.trainer)
    pretrained = load_pretrained(PRETRAINED, config.pretraining, dataset.digest)

    def save(run: Run, trained: Mapping[int, FitResult]) -> None:
        each = [label(DATASET, teacher, config.model, hardware) for teacher in trained.values()]
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


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json", "artifacts/pretrained/pretrained.json")
