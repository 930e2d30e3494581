"""Batches of encoded reviews."""

import math
from collections.abc import Iterator
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.model.batching import pad
from pipeline.model.module import Batch
from pipeline.text.dataset import EncodedSplit, read_split

POOL_BATCHES = 50
"""Batches sorted by length together: enough that a batch holds little padding, few enough that it stays random."""


class SentimentDataModule(pl.LightningDataModule):
    """The train and validation splits of a dataset folder.

    Args:
        folder: as written by `preprocess`.
        batch_size: reviews in a batch.
        fixed_length: as for `pipeline.model.batching.pad`.
        max_reviews: use only so many reviews of each split, half of each label.
        seed: of the order of the reviews.
    """

    def __init__(
        self, folder: Path, *, batch_size: int, fixed_length: int | None, max_reviews: int | None, seed: int
    ) -> None:
        super().__init__()
        self._fixed_length = fixed_length
        self.train, self.validation = read_split(folder, "train"), read_split(folder, "validation")
        rows = _first_of_each_label(self.train, max_reviews)
        self._order = LengthBatches(rows, self.train.lengths[rows], batch_size, seed)
        rows = _first_of_each_label(self.validation, max_reviews)
        rows = rows[np.argsort(self.validation.lengths[rows], kind="stable")]
        self._validation_order = [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of like length, in another order each epoch."""
        return DataLoader(_Batches(self.train, self._fixed_length), batch_size=None, sampler=self._order)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches from the shortest review to the longest."""
        return DataLoader(
            _Batches(self.validation, self._fixed_length), batch_size=None, sampler=self._validation_order
        )


class LengthBatches(Sampler[list[int]]):
    """Yield the rows of batches of like length.

    Reviews are shuffled, sorted by length within pools of `POOL_BATCHES` batches, and the batches are shuffled. The
    order depends on the seed and the epoch alone.
    """

    def __init__(self, rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self._rows, self._lengths = rows, lengths
        self._batch_size, self._seed, self._epoch = batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self._seed, self._epoch])
        order = random.permutation(len(self._rows))
        pool = self._batch_size * POOL_BATCHES
        batches = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            members = members[np.argsort(self._lengths[members], kind="stable")]
            batches += [members[i : i + self._batch_size] for i in range(0, len(members), self._batch_size)]
        for index in random.permutation(len(batches)):
            yield self._rows[batches[index]].tolist()


class _Batches(Dataset[Batch]):
    def __init__(self, split: EncodedSplit, fixed_length: int | None) -> None:
        self._split, self._fixed_length = split, fixed_length

    def __getitem__(self, rows: list[int]) -> Batch:
        ids, lengths = pad([self._split[row] for row in rows], self._fixed_length)
        return ids, lengths, torch.from_numpy(self._split.labels[rows].astype(np.float32))


def _first_of_each_label(split: EncodedSplit, limit: int | None) -> NDArray[np.int64]:
    if limit is None:
        return np.arange(len(split))
    return np.sort(np.concatenate([np.flatnonzero(split.labels == label)[: limit // 2] for label in (0, 1)]))
