"""Batches of encoded reviews."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.networks.padding import pad
from pipeline.text.dataset import EncodedSplit, read_split
from pipeline.training.classifier_module import Batch, Reviews
from pipeline.training.distributed import share, started
from pipeline.training.pseudo_labels import PseudoLabelled, PseudoLabels

POOL_BATCHES = 50
"""Batches sorted by length together: enough that a batch holds little padding, few enough that it stays random."""


class SentimentDataModule(pl.LightningDataModule):
    """The train and validation splits of a dataset folder, and its unlabelled reviews where asked for.

    Args:
        folder: as written by `preprocess`.
        batch_size: reviews in a batch, and as many unlabelled ones.
        fixed_length: as for `pipeline.networks.padding.pad`.
        max_reviews: use only so many reviews of each split, half of each label.
        seed: of the order of the reviews.
        unlabelled: also draw unlabelled reviews, if the dataset has them.
        pseudo_labels: of unlabelled reviews that are trained on like the labelled ones.
    """

    def __init__(
        self,
        folder: Path,
        *,
        batch_size: int,
        fixed_length: int | None,
        max_reviews: int | None,
        seed: int,
        unlabelled: bool = False,
        pseudo_labels: PseudoLabels | None = None,
    ) -> None:
        super().__init__()
        self._fixed_length = fixed_length
        labelled, self.validation = read_split(folder, "train"), read_split(folder, "validation")
        self.train: EncodedSplit | PseudoLabelled = labelled
        self._rows = first_of_each_label(labelled, max_reviews)
        if pseudo_labels is not None:
            self.train = PseudoLabelled(labelled, read_split(folder, "unlabelled"), pseudo_labels)
            others = np.arange(len(labelled), len(self.train))[:max_reviews]
            self._rows = np.concatenate([self._rows, others])
        order = LengthBatches(self._rows, self.train.lengths[self._rows], batch_size, seed)
        self.unlabelled, other = None, None
        if unlabelled and (folder / "unlabelled").exists():
            self.unlabelled = read_split(folder, "unlabelled")
            rows = np.arange(len(self.unlabelled))[:max_reviews]
            other = LengthBatches(rows, self.unlabelled.lengths[rows], batch_size, seed)
        self._order = Pairs(order, other)
        rows = first_of_each_label(self.validation, max_reviews)
        self._validation_order = sorted_batches(rows, self.validation.lengths[rows], batch_size)

    def labelled(self) -> tuple[list[NDArray[np.int32]], NDArray[np.int8]]:
        """Token ids and labels [n] of the reviews trained on."""
        return [self.train[row] for row in self._rows], self.train.labels[self._rows]

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of like length, in another order each epoch."""
        return DataLoader(
            _Batches(self.train, self.unlabelled, self._fixed_length), batch_size=None, sampler=self._order
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches from the shortest review to the longest."""
        order = [(rows, None) for rows in self._validation_order]
        return DataLoader(_Batches(self.validation, None, self._fixed_length), batch_size=None, sampler=order)


class LengthBatches(Sampler[list[int]]):
    """Yield the rows of batches of like length.

    Reviews are shuffled, sorted by length within pools of `POOL_BATCHES` batches, and the batches are shuffled. The
    order depends on the seed and the epoch alone.

    Args:
        rows: to be yielded [n].
        lengths: of the reviews in these rows [n].
        batch_size: rows in a batch.
        seed: of the order.
        parts: an epoch, for Lightning, is one of so many parts of a pass over all rows; at most one for each batch. All
            are of one size, for Lightning validates after as many batches as the first epoch had: the last few batches
            of a pass, fewer than there are parts, go unread, others in each.
    """

    def __init__(
        self, rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int, seed: int, parts: int = 1
    ) -> None:
        self._rows, self._lengths = rows, lengths
        self._batch_size, self._seed, self._epoch = batch_size, seed, 0
        self.parts = min(parts, self._batches)

    @property
    def _batches(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._batches // self.parts

    def __iter__(self) -> Iterator[list[int]]:
        passes, part = divmod(self._epoch, self.parts)
        random = np.random.default_rng([self._seed, passes])
        order = random.permutation(len(self._rows))
        pool = self._batch_size * POOL_BATCHES
        batches = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            batches += sorted_batches(self._rows[members], self._lengths[members], self._batch_size)
        start = part * len(self)
        for index in random.permutation(len(batches))[start : start + len(self)]:
            yield batches[index]


class Pairs(Sampler[tuple[list[int], list[int] | None]]):
    """Each labelled batch with an unlabelled one, which begin anew when they run out; or with None."""

    def __init__(self, labelled: LengthBatches, unlabelled: LengthBatches | None) -> None:
        self._labelled, self._unlabelled = labelled, unlabelled

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        for batches in (self._labelled, self._unlabelled):
            if batches is not None:
                batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._labelled)

    def __iter__(self) -> Iterator[tuple[list[int], list[int] | None]]:
        others = repeat(None) if self._unlabelled is None else chain.from_iterable(repeat(self._unlabelled))
        return zip(self._labelled, others, strict=False)


def sorted_batches(rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int) -> list[list[int]]:
    """The rows, sorted by the lengths of their reviews, in batches."""
    rows = rows[np.argsort(lengths, kind="stable")]
    return [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]


def first_of_each_label(split: EncodedSplit, limit: int | None) -> NDArray[np.int64]:
    """The rows of the first reviews of a split, half of each label and `limit` in all; all of them without a limit."""
    if limit is None:
        return np.arange(len(split))
    return np.sort(np.concatenate([np.flatnonzero(split.labels == label)[: limit // 2] for label in (0, 1)]))


class _Batches(Dataset[Batch]):
    """This process's share of each batch."""

    def __init__(
        self, split: EncodedSplit | PseudoLabelled, unlabelled: EncodedSplit | None, fixed_length: int | None
    ) -> None:
        self._split, self._unlabelled, self._fixed_length = split, unlabelled, fixed_length

    def __getitem__(self, rows: tuple[list[int], list[int] | None]) -> Batch:
        labelled, other = rows
        own, counted = share(labelled)
        weight = started() * counted / len(labelled)
        labels = torch.from_numpy(self._split.labels[own].astype(np.float32))
        unlabelled = None
        if self._unlabelled is not None and other is not None:
            unlabelled = self._reviews(self._unlabelled, share(other)[0], weight)
        return Batch(self._reviews(self._split, own, weight), labels, unlabelled)

    def _reviews(self, split: EncodedSplit | PseudoLabelled, rows: Sequence[int], weight: float) -> Reviews:
        return Reviews(*pad([split[row] for row in rows], self._fixed_length), weight)
