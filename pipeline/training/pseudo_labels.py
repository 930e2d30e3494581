"""The folder a teacher leaves, and training on what it says.

pseudo_labels.json  the configuration it was made with, the digest of the dataset, and how good the teacher is
probabilities.npy   float32 [unlabelled reviews]: of each being positive; none where no teacher was asked for
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config, require_same
from pipeline.runtime.arrays import ArrayFile
from pipeline.runtime.atomic import replace
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.text.dataset import DatasetRecord, EncodedSplit

log = logging.getLogger(__name__)

REMEDY = "label anew: `dvc repro pseudo_label`, or `dvc exp run` with the same overrides"


class PseudoLabelsInfo(Record):
    """`pseudo_labels.json`."""

    config: dict[str, Any]
    dataset: str


@dataclass(frozen=True)
class PseudoLabels:
    """The unlabelled reviews a teacher is sure of."""

    rows: NDArray[np.int64]
    """[n], in the order of the dataset's unlabelled reviews."""
    labels: NDArray[np.int8]
    """[n], 0 or 1."""


class PseudoLabelled:
    """Labelled reviews, and after them unlabelled ones with pseudo-labels; reads like an `EncodedSplit`."""

    def __init__(self, labelled: EncodedSplit, unlabelled: EncodedSplit, pseudo_labels: PseudoLabels) -> None:
        self._labelled, self._unlabelled, self._rows = labelled, unlabelled, pseudo_labels.rows
        self.labels = np.concatenate([labelled.labels, pseudo_labels.labels])
        self.lengths = np.concatenate([labelled.lengths, unlabelled.lengths[self._rows]])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        """Token ids [n] of one review."""
        beyond = index - len(self._labelled)
        return self._labelled[index] if beyond < 0 else self._unlabelled[self._rows[beyond]]


def save_pseudo_labels(
    folder: Path, config: Config, digest: str, probabilities: NDArray[np.float32] | None, teacher: dict[str, float]
) -> None:
    """Write the folder, whole or not at all.

    Args:
        folder: to be written.
        config: what it was made with.
        digest: of the dataset.
        probabilities: calibrated, of each unlabelled review [n], 0 in a corpus without any; None where no teacher was
            asked for.
        teacher: the teacher's row of its learning curve; empty where there was none.
    """
    with replace(folder) as temporary:
        temporary.mkdir(parents=True)
        if probabilities is not None:
            np.save(temporary / "probabilities.npy", probabilities)
        write_json(
            temporary / "pseudo_labels.json", {"config": _made_with(config), "dataset": digest, "teacher": teacher}
        )


def load_pseudo_labels(folder: Path, config: Config, dataset: DatasetRecord) -> PseudoLabels | None:
    """Read the labels the teacher is sure enough of; None where there was no teacher or nothing to label.

    Args:
        folder: as written by `save_pseudo_labels`.
        config: what is asked for.
        dataset: to be trained on.

    Raises:
        PipelineError: the folder is missing or damaged, or was made otherwise than is asked for.
    """
    if config.pseudo_labels.teacher is None:
        return None
    made = read_json(folder / "pseudo_labels.json", PseudoLabelsInfo, REMEDY)
    require_same(_made_with(config), made.config, folder, REMEDY)
    if made.dataset != dataset.digest:
        raise PipelineError(f"{folder} was made from another dataset; {REMEDY}")
    unlabelled = dataset.splits.get("unlabelled", 0)
    file = ArrayFile(folder / "probabilities.npy", np.float32, (unlabelled,), REMEDY)
    file.require_within(0, 1)
    if not unlabelled:
        return None
    probabilities = np.array(file.array)
    rows = np.flatnonzero(np.maximum(probabilities, 1 - probabilities) >= config.pseudo_labels.confidence)
    log.info("training on %d of %d unlabelled reviews, with the teacher's labels", len(rows), len(probabilities))
    return PseudoLabels(rows, (probabilities[rows] >= 0.5).astype(np.int8))


def _made_with(config: Config) -> dict[str, Any]:
    # how sure the teacher must be is decided by who trains on the labels
    return config.model_dump(include={"model", "pretraining"}) | {
        "pseudo_labels": config.pseudo_labels.model_dump(exclude={"confidence"})
    }
