"""Lightning data module of the classifier: batches of encoded reviews, and their order."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Literal

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.networks.padding import pad
from pipeline.text.dataset import EncodedSplit, read_split
from pipeline.text.rows import first_of_each_class
from pipeline.training.batches import LabelledBatch, ReviewBatch
from pipeline.training.counterfactual_reviews import counterfactual_reviews
from pipeline.training.distributed import share, world_size
from pipeline.training.folds import Fold
from pipeline.training.parted_batches import PartedBatches
from pipeline.training.pseudo_labels import PseudoLabels
from pipeline.training.resumable_loader import ResumableLoader
from pipeline.training.training_reviews import TrainingPart, TrainingReviews

POOL_BATCHES = 50
"""Batches whose reviews are sorted by length together: enough for little padding, few enough to stay random."""

PartsOfSplits = dict[str, TrainingPart]
"""Reviews of splits, by the names of the splits."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReviewSelection:
    """Reviews of a dataset folder that a training uses; by default all labelled ones, in the splits that they have."""

    max_reviews: int | None = None
    """Maximum number of reviews of each split, equally many of each class; None uses all."""
    fold: Fold | None = None
    """Reviews to train and validate on; None: those of the splits."""
    unlabelled: bool = False
    """Add unlabelled reviews to each batch, if the dataset has any."""
    pseudo_labels: PseudoLabels | None = None
    """Labels of unlabelled reviews, which are trained on like the labelled ones."""
    overfit: int | None = None
    """Number of training reviews to train and validate on alone; None: all reviews."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses of training reviews, as in the configuration."""

    auxiliary: float = 1.0
    """Weight of auxiliary texts; with 0 they are left out."""
    counterfactual: float = 0.0
    """Weight of counterfactual sentences, which are made of the reviews and auxiliary texts that are trained on
    (`pipeline.training.counterfactual_reviews`); with 0 none are made."""
    classes: Literal["balanced"] | Mapping[str, float] | None = None
    """Weight of each class; of auxiliary texts and counterfactual sentences, whose shares of the classes are others,
    only their own weight counts."""


class ReviewDataModule(pl.LightningDataModule):
    """Batches of the training and validation reviews of a dataset folder, and of its unlabelled ones where requested.

    Args:
        folder: as written by `preprocess`.
        batch_size: labelled reviews in a batch, and the same number of unlabelled reviews.
        fixed_length: as in `pipeline.networks.padding.pad`.
        seed: seed of the order of the reviews.
        classes: names of the classes, by index.
        selection: the reviews to use.
        weights: weights of their losses.
    """

    def __init__(
        self,
        folder: Path,
        *,
        batch_size: int,
        fixed_length: int | None,
        seed: int,
        classes: Sequence[str] = (),
        selection: ReviewSelection = ReviewSelection(),
        weights: LossWeights = LossWeights(),
    ) -> None:
        super().__init__()
        self._fixed_length = fixed_length
        limit = selection.max_reviews
        train, validation = _labelled_parts(folder, selection.fold)
        if selection.overfit is not None:
            train = validation = limit_parts(train, selection.overfit)
            weights = replace(weights, auxiliary=0.0, counterfactual=0.0)
            selection = replace(selection, pseudo_labels=None)
        self.validation = TrainingReviews(list(validation.values()))
        self.train = TrainingReviews(_training_parts(folder, train, selection, weights, classes, seed))
        order = LengthBatches(np.arange(len(self.train)), self.train.lengths, batch_size, seed)
        self.unlabelled, unlabelled_order = None, None
        if selection.unlabelled and (folder / "unlabelled").exists():
            self.unlabelled = read_split(folder, "unlabelled")
            rows = np.arange(len(self.unlabelled))[:limit]
            unlabelled_order = LengthBatches(rows, self.unlabelled.lengths[rows], batch_size, seed)
        self._order = PairedBatches(order, unlabelled_order)
        self._validated = TrainingReviews(list(limit_parts(validation, limit).values()))
        self._validation_order = sorted_batches(np.arange(len(self._validated)), self._validated.lengths, batch_size)

    def train_dataloader(self) -> DataLoader[LabelledBatch]:
        """Return shuffled batches of reviews of similar length, in another order each epoch."""
        return ResumableLoader(_PaddedBatches(self.train, self.unlabelled, self._fixed_length), self._order)

    def val_dataloader(self) -> DataLoader[LabelledBatch]:
        """Return batches from the shortest reviews to the longest."""
        order = [(rows.tolist(), None) for rows in self._validation_order]
        return DataLoader(_PaddedBatches(self._validated, None, self._fixed_length), batch_size=None, sampler=order)


class LengthBatches(PartedBatches[list[int]]):
    """Sampler of batches of reviews of similar length.

    Reviews are shuffled and then sorted by length within pools of `POOL_BATCHES` batches; then the batches are
    shuffled.

    Args:
        rows: the rows to yield [n].
        lengths: lengths of the reviews in these rows [n].
        batch_size: rows in a batch.
        seed: seed of the order.
        parts: as in `PartedBatches`.
    """

    def __init__(
        self, rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int, seed: int, parts: int = 1
    ) -> None:
        super().__init__(rows, batch_size, seed, parts)
        self._lengths = lengths

    def _shuffled(self, random: np.random.Generator) -> Iterator[list[int]]:
        order = random.permutation(len(self._rows))
        pool = self._batch_size * POOL_BATCHES
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            batches += sorted_batches(self._rows[members], self._lengths[members], self._batch_size)
        return (batches[index].tolist() for index in random.permutation(len(batches)))


class PairedBatches(Sampler[tuple[list[int], list[int] | None]]):
    """Sampler that pairs each labelled batch with an unlabelled one, starting over when these run out; or with None."""

    def __init__(self, labelled: LengthBatches, unlabelled: LengthBatches | None) -> None:
        self._labelled, self._unlabelled = labelled, unlabelled

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each epoch."""
        for batches in (self._labelled, self._unlabelled):
            if batches is not None:
                batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._labelled)

    def __iter__(self) -> Iterator[tuple[list[int], list[int] | None]]:
        partners = repeat(None) if self._unlabelled is None else chain.from_iterable(repeat(self._unlabelled))
        return zip(self._labelled, partners, strict=False)  # the partners never end


def sorted_batches(rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Sort rows by the lengths of their reviews, and divide them into batches."""
    rows = rows[np.argsort(lengths, kind="stable")]
    return [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]


def limit_parts(parts: PartsOfSplits, limit: int | None) -> PartsOfSplits:
    """Keep the first `limit` reviews of the parts together, equally many of each class; without a limit all."""
    kept = first_of_each_class(np.concatenate([part.labels for part in parts.values()]), limit)
    kept_of_parts = np.split(kept, np.cumsum([len(part.rows) for part in parts.values()])[:-1])
    return {
        name: replace(part, rows=part.rows[own], labels=part.labels[own])
        for (name, part), own in zip(parts.items(), kept_of_parts, strict=True)
    }


def weights_of_classes(
    stated: Literal["balanced"] | Mapping[str, float] | None, parts: Iterable[TrainingPart], classes: Sequence[str]
) -> NDArray[np.float32] | None:
    """Return the weight of each class's losses [classes], and log it; None where none is stated.

    Balanced weights are n / (K n_k) for the n_k of n reviews of each of the K classes, as in scikit-learn: all classes
    have the same sum, and the mean weight of a review is 1.

    Args:
        stated: as in the configuration.
        parts: labelled training reviews of the corpus.
        classes: names of the classes, by index.
    """
    if stated is None:
        return None
    if stated == "balanced":
        counted = np.stack([np.bincount(part.labels, part.copies, minlength=len(classes)) for part in parts])
        reviews = counted.sum(0)
        weights = reviews.sum() / (len(classes) * np.maximum(reviews, 1))
    else:
        weights = np.array([stated.get(name, 1.0) for name in classes])
    shown = ", ".join(f"{name} {weight:.3g}" for name, weight in zip(classes, weights, strict=True))
    log.info("weights of the classes' losses: %s", shown)
    in_float32: NDArray[np.float32] = weights.astype(np.float32)
    return in_float32


def _labelled_parts(folder: Path, fold: Fold | None) -> tuple[PartsOfSplits, PartsOfSplits]:
    """Return the reviews to train on and those to validate on; without a fold the splits of these names."""
    if fold is None:
        train, validation = ({name: _labelled_part(folder, name)} for name in ("train", "validation"))
    else:
        train, validation = (
            {name: _labelled_part(folder, name, rows) for name, rows in part.items()}
            for part in (fold.train, fold.held_out)
        )
    return train, validation


def _training_parts(
    folder: Path,
    train: PartsOfSplits,
    selection: ReviewSelection,
    weights: LossWeights,
    classes: Sequence[str],
    seed: int,
) -> list[TrainingPart]:
    """Return the reviews of `train`, auxiliary texts, counterfactual sentences and pseudo-labelled reviews."""
    limit = selection.max_reviews
    train = limit_parts(train, limit)
    class_weights = weights_of_classes(weights.classes, train.values(), classes)
    texts = {name: replace(part, class_weights=class_weights) for name, part in train.items()}
    if weights.auxiliary and (folder / "auxiliary").exists():
        auxiliary = _labelled_part(folder, "auxiliary", weight=weights.auxiliary)
        texts |= limit_parts({"auxiliary": auxiliary}, limit)
    parts = list(texts.values())
    if weights.counterfactual:
        sources = {name: (part.rows, part.labels) for name, part in texts.items()}
        if (made := counterfactual_reviews(folder, sources, classes, seed)) is not None:
            parts.append(TrainingPart(made, np.arange(len(made)), made.labels, weights.counterfactual))
    if (labelled := selection.pseudo_labels) is not None:
        unlabelled = read_split(folder, "unlabelled")
        rows, labels = labelled.rows[:limit], labelled.labels[:limit]
        parts.append(TrainingPart(unlabelled, rows, labels, class_weights=class_weights))
    return parts


def _labelled_part(folder: Path, name: str, rows: NDArray[np.int64] | None = None, weight: float = 1.0) -> TrainingPart:
    split = read_split(folder, name)
    rows = np.arange(len(split)) if rows is None else rows
    return TrainingPart(split, rows, split.labels[rows], weight)


class _PaddedBatches(Dataset[LabelledBatch]):
    """This process's share of each batch, padded."""

    def __init__(self, reviews: TrainingReviews, unlabelled: EncodedSplit | None, fixed_length: int | None) -> None:
        self._labelled, self._unlabelled, self._fixed_length = reviews, unlabelled, fixed_length

    def __getitem__(self, rows: tuple[list[int], list[int] | None]) -> LabelledBatch:
        labelled_rows, unlabelled_rows = rows
        own, counted = share(labelled_rows)
        weight = world_size() * counted / len(labelled_rows)
        labels = torch.from_numpy(self._labelled.labels[own].astype(np.int64))
        unlabelled = None
        if self._unlabelled is not None and unlabelled_rows is not None:
            unlabelled = self._reviews(self._unlabelled, share(unlabelled_rows)[0], weight)
        weights = None
        if self._labelled.loss_weights is not None:
            weights = torch.from_numpy(self._labelled.loss_weights[own])
        return LabelledBatch(self._reviews(self._labelled, own, weight), labels, unlabelled, weights)

    def _reviews(self, split: EncodedSplit | TrainingReviews, rows: Sequence[int], weight: float) -> ReviewBatch:
        return ReviewBatch(*pad([split[row] for row in rows], self._fixed_length), weight)
