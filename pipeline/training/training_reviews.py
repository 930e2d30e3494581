"""Reviews to train on: the training split, and auxiliary and pseudo-labelled reviews behind it."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
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
    """Class indices [n]."""
    weight: float = 1.0
    """Weight of each of their losses, beside the number of reviews that each stands for."""
    class_weights: NDArray[np.float32] | None = None
    """Further weight of the losses of each class [classes]; None: all are 1."""

    @property
    def copies(self) -> NDArray[np.int32]:
        """Number of reviews that each stands for [n]."""
        return np.ones(len(self.rows), np.int32) if self.split.copies is None else self.split.copies[self.rows]

    @property
    def counts(self) -> NDArray[np.float32]:
        """Number of reviews that each counts for, whatever its class [n]."""
        return np.float32(self.weight) * self.copies.astype(np.float32)

    @property
    def loss_weights(self) -> NDArray[np.float32]:
        """Weight of the loss of each review [n]."""
        return self.counts if self.class_weights is None else self.counts * self.class_weights[self.labels]


class JoinedReviews:
    """Reviews of several splits, one split after the other."""

    def __init__(self, splits: Sequence[tuple[EncodedSplit, NDArray[np.int64]]]) -> None:
        """Join the rows [n] of each split."""
        self._splits = splits
        self._starts = np.cumsum([0, *(len(rows) for _, rows in splits)]).tolist()
        self.lengths = np.concatenate([split.lengths[rows] for split, rows in splits])
        """Number of tokens of each review [n]."""

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        """Return the token ids [n] of one review."""
        number = bisect_right(self._starts, index) - 1
        split, rows = self._splits[number]
        return split[rows[index - self._starts[number]]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))


class TrainingReviews(JoinedReviews):
    """Reviews of all parts, one part after the other, with the interface of an `EncodedSplit`."""

    def __init__(self, parts: Sequence[TrainingPart]) -> None:
        super().__init__([(part.split, part.rows) for part in parts])
        self.labels = np.concatenate([part.labels for part in parts])
        self.weights: NDArray[np.float32] | None = None
        """Number of reviews that each counts for [n], whatever its class; None where all count for 1."""
        self.loss_weights: NDArray[np.float32] | None = None
        """Weight of the loss of each review [n], scaled so that the mean over all is as if each were repeated; or None,
        where all are 1."""
        if any(part.weight != 1 or part.split.copies is not None for part in parts):
            self.weights = np.concatenate([part.counts for part in parts])
        if self.weights is not None or any(part.class_weights is not None for part in parts):
            copies = np.concatenate([part.copies for part in parts])
            self.loss_weights = np.concatenate([part.loss_weights for part in parts]) / copies.mean(dtype=np.float32)
