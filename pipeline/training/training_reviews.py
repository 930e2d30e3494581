"""Reviews to train on: the training split, and auxiliary and pseudo-labelled reviews behind it."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.text.dataset import EncodedSplit


@dataclass(frozen=True)
class TrainingPart:
    """Reviews of one split."""

    split: EncodedSplit
    rows: NDArray[np.int64]
    """Rows of the split to train on [n]."""
    labels: NDArray[np.int8]
    """Numbers of their classes [n]."""
    weight: float = 1.0
    """Number of reviews that each of them counts for."""
    class_weights: NDArray[np.float32] | None = None
    """Further weight of the losses of each class [classes]; None: all are 1."""

    @property
    def loss_weights(self) -> NDArray[np.float32]:
        """Weight of the loss of each review [n]."""
        weights = np.full(len(self.rows), self.weight, np.float32)
        return weights if self.class_weights is None else weights * self.class_weights[self.labels]


class TrainingReviews:
    """Reviews of all parts, one part after the other, with the interface of an `EncodedSplit`."""

    def __init__(self, parts: Sequence[TrainingPart]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part.rows) for part in parts)]).tolist()
        self.labels = np.concatenate([part.labels for part in parts])
        self.lengths = np.concatenate([part.split.lengths[part.rows] for part in parts])
        self.weights: NDArray[np.float32] | None = None
        """Number of reviews that each counts for [n], whatever its class; None where all count for 1."""
        self.loss_weights: NDArray[np.float32] | None = None
        """Weight of the loss of each review [n]; None where all are 1."""
        if any(part.weight != 1 for part in parts):
            self.weights = np.concatenate([np.full(len(part.rows), part.weight, np.float32) for part in parts])
        if any(part.weight != 1 or part.class_weights is not None for part in parts):
            self.loss_weights = np.concatenate([part.loss_weights for part in parts])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        """Return the token ids [n] of one review."""
        number = bisect_right(self._starts, index) - 1
        part = self._parts[number]
        return part.split[part.rows[index - self._starts[number]]]
