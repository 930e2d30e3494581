"""Teachers: networks trained on the labelled reviews alone, which together label the unlabelled ones."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pipeline.config.model import Model
from pipeline.config.schema import Config
from pipeline.inference.scoring import score
from pipeline.networks.build import fixed_length
from pipeline.text.dataset import read_split
from pipeline.training.distributed import process_group
from pipeline.training.fit import FitResult, fit
from pipeline.training.hardware import Hardware
from pipeline.training.loggers import LogMetrics, log_prefixed

SORTED_TOGETHER = 1024
"""Reviews that are sorted by length together, and labelled between two steps of the progress bar."""


def fit_teachers(
    config: Config,
    dataset: Path,
    hardware: Hardware,
    checkpoints: Path,
    log_metrics: LogMetrics,
    pretrained: Mapping[str, Tensor] | None = None,
) -> dict[int, FitResult]:
    """Train a teacher for each seed; resume from the newest checkpoint if `checkpoints` has one.

    Args:
        config: its `pseudo_labels.teacher` takes the place of `training`.
        dataset: folder written by `preprocess`.
        hardware: from `resolve_hardware`.
        checkpoints: folder for the checkpoints of these very trainings; the caller removes it in the end.
        log_metrics: receives every logged point, below the seed of its teacher.
        pretrained: weights that each teacher starts from.

    Returns:
        the trained teachers by their seeds.

    Raises:
        KeyboardInterrupt: the user interrupted it; it can be resumed.
    """
    teachers = {}
    with process_group():  # one for all trainings: processes that part may not meet again at the same address
        for seed in config.pseudo_labels.seeds:
            teacher = config.model_copy(update={"training": config.pseudo_labels.teacher, "seed": seed})
            name = f"seed_{seed}"
            log_own = partial(log_prefixed, log_metrics, name)
            teachers[seed] = fit(teacher, dataset, hardware, checkpoints / name, log_own, pretrained)
    return teachers


def label(dataset: Path, teacher: FitResult, model: Model, hardware: Hardware) -> NDArray[np.float32]:
    """Return a teacher's probabilities [n, classes] for the unlabelled reviews.

    Args:
        dataset: folder written by `preprocess`.
        teacher: from `fit_teachers`.
        model: its configuration.
        hardware: from `resolve_hardware`.
    """
    network, length = teacher.network.to(hardware.device), fixed_length(model)
    reviews = read_split(dataset, "unlabelled")
    starts = tqdm(range(0, len(reviews), SORTED_TOGETHER), desc="label", disable=None, leave=False)
    chunks = (range(start, min(start + SORTED_TOGETHER, len(reviews))) for start in starts)
    logits = np.concatenate([score(network, [reviews[row] for row in rows], length) for rows in chunks])
    network.cpu()
    return teacher.calibration.probabilities(logits)
