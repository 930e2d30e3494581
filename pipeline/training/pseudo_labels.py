"""Pseudo-labels: the folder that the teacher's stage writes, and the labels to train on.

pseudo_labels.json  configuration of the teachers, digest of the dataset, best epoch of each teacher by its seed
probabilities.npy   probability of each class float32 [unlabelled reviews, classes]; missing where there is none
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.comparison import require_same
from pipeline.config.schema import Config
from pipeline.inference.decision_rule import DecisionRule
from pipeline.runtime.arrays import ArrayFile
from pipeline.runtime.atomic import replace
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.text.dataset import DatasetRecord

log = logging.getLogger(__name__)

LABEL_AGAIN = "label again: `dvc repro pseudo_label`, or `dvc exp run` with the same overrides"


class PseudoLabelsRecord(Record):
    """`pseudo_labels.json`."""

    config: dict[str, Any]
    dataset: str


@dataclass(frozen=True)
class PseudoLabels:
    """Unlabelled reviews that the teachers are confident about, and their labels."""

    rows: NDArray[np.int64]
    """Rows among the unlabelled reviews of the dataset [n], in ascending order."""
    labels: NDArray[np.int8]
    """Class indices [n]."""


def save_pseudo_labels(
    folder: Path,
    config: Config,
    digest: str,
    probabilities: NDArray[np.float32] | None,
    teachers: Mapping[int, Mapping[str, float]],
) -> None:
    """Write the folder, whole or not at all.

    Args:
        folder: the folder to write.
        config: configuration of the pipeline.
        digest: digest of the dataset.
        probabilities: calibrated probabilities of the unlabelled reviews [n, classes]; None where
            the configuration has no teacher.
        teachers: row of the best epoch of each teacher, by its seed; empty where there is none.
    """
    with replace(folder) as temporary:
        temporary.mkdir(parents=True)
        if probabilities is not None:
            np.save(temporary / "probabilities.npy", probabilities)
        write_json(
            temporary / "pseudo_labels.json",
            {"config": teacher_config(config), "dataset": digest, "teachers": teachers},
        )


def load_pseudo_labels(folder: Path, config: Config, dataset: DatasetRecord) -> PseudoLabels | None:
    """Read the labels that the teachers are confident about; None without a teacher or without unlabelled reviews.

    Args:
        folder: as written by `save_pseudo_labels`.
        config: the present configuration.
        dataset: the present dataset.

    Raises:
        PipelineError: the folder is missing or damaged, or was made with another configuration or dataset.
    """
    if config.pseudo_labels.teacher is None:
        return None
    info = read_json(folder / "pseudo_labels.json", PseudoLabelsRecord, LABEL_AGAIN)
    require_same(teacher_config(config), info.config, folder, LABEL_AGAIN)
    if info.dataset != dataset.digest:
        raise PipelineError(f"{folder} was made from another dataset; {LABEL_AGAIN}")
    unlabelled = dataset.splits.get("unlabelled", 0)
    file = ArrayFile(folder / "probabilities.npy", np.float32, (unlabelled, len(dataset.corpus.classes)), LABEL_AGAIN)
    file.require_within(0, 1)
    if not unlabelled:
        return None
    probabilities = np.array(file.array)
    rows = np.flatnonzero(probabilities.max(axis=1) >= config.pseudo_labels.confidence)
    teachers = len(config.pseudo_labels.seeds)
    log.info(
        "training on %d of %d unlabelled reviews, with the labels of %s",
        *(len(rows), len(probabilities), "a teacher" if teachers == 1 else f"{teachers} teachers"),
    )
    most_probable = DecisionRule(0.5 if len(dataset.corpus.classes) == 2 else None)
    return PseudoLabels(rows, most_probable.choose(probabilities[rows]))


def teacher_config(config: Config) -> dict[str, Any]:
    """Return the part of the configuration that decides the probabilities; not which of the labels are trained on."""
    return config.model_dump(include={"model", "pretraining"}) | {
        "pseudo_labels": config.pseudo_labels.model_dump(exclude={"confidence"})
    }
