"""Pre-train region vectors: from a dataset folder to the vectors that a classifier reads; resumable."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset

from pipeline.config.pretraining import TwoViewConfig
from pipeline.config.split import PRETRAINING_SPLITS
from pipeline.networks.regions import NO_NGRAM, RegionVectors
from pipeline.networks.sequence_keys import sequence_keys
from pipeline.networks.two_view import TwoView
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import EncodedSplit, present_splits, read_split
from pipeline.text.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from pipeline.training.callbacks import LearningCurve
from pipeline.training.distributed import gather, share, world_size
from pipeline.training.hardware import Hardware
from pipeline.training.loggers import LogMetrics
from pipeline.training.optimizer import RowAdagrad
from pipeline.training.parted_batches import PartedBatches
from pipeline.training.resumable_loader import ResumableLoader
from pipeline.training.trainer import run_trainer

VALIDATED = 50_000
"""Maximum number of regions of validation reviews that the loss is measured on."""
SMOOTHING = 0.75
"""Words are drawn by this power of their frequency (Mikolov et al. 2013, section 2.2)."""


def pretrain_regions(
    config: TwoViewConfig, dataset: Path, hardware: Hardware, checkpoints: Path, log_metrics: LogMetrics
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Learn region vectors; resume from the newest checkpoint if `checkpoints` has one.

    Args:
        config: the vectors and their training.
        dataset: folder written by `preprocess`. The vectors learn from the training, auxiliary and unlabelled
            texts, as far as there are any, and are validated on the validation reviews, never on the test reviews.
        hardware: from `resolve_hardware`.
        checkpoints: folder for the checkpoints of this very training; the caller removes it in the end.
        log_metrics: receives every logged point.

    Returns:
        weights of `RegionVectors` by their names in a `SentimentRNN`; for each part of an epoch a row: epoch,
        train_loss, val_loss.

    Raises:
        PipelineError: the vocabulary is too large to number its n-grams.
        KeyboardInterrupt: the user interrupted it; it can be resumed.
    """
    pl.seed_everything(config.seed, verbose=False)
    vocab_size = len(Vocabulary.load(dataset / "vocab.json"))
    max_words = int(NO_NGRAM ** (1 / config.orders))
    if vocab_size > max_words:
        raise PipelineError(
            f"pretraining.two_view.orders: n-grams of {config.orders} words cannot be numbered with {vocab_size:,} "
            f"words; set text.max_vocabulary to at most {max_words - 2:,}"
        )
    regions = RegionVectors(vocab_size, config.size, config.orders, config.dimension)
    reviews = [read_split(dataset, name) for name in present_splits(dataset, PRETRAINING_SPLITS)]
    regions.keys = frequent_ngrams(reviews, vocab_size, config)
    network = TwoView(vocab_size, len(regions.keys) - 1, config.dimension, sparse=world_size() == 1)
    data = _RegionDataModule(reviews, [read_split(dataset, "validation")], regions, config)
    curve = LearningCurve(("loss",))
    run_trainer(
        _TwoViewModule(network, config),
        data,
        epochs=config.epochs * data.order.parts,
        monitor="val/loss",
        hardware=hardware,
        curve=curve,
        checkpoints=checkpoints,
        log_metrics=log_metrics,
    )
    vectors, bias = network.ngrams.weight.detach().half(), network.bias.detach()
    return {"regions.keys": regions.keys, "regions.vectors": vectors, "regions.bias": bias}, curve.rows


def frequent_ngrams(reviews: Sequence[EncodedSplit], vocab_size: int, config: TwoViewConfig) -> Tensor:
    """Return the n-grams of two and more words that get a vector, as `RegionVectors.keys`."""
    kept, occurrences = [], []
    for order in range(2, config.orders + 1):
        counted = [_ngram_keys(split, order, vocab_size, config.max_reviews) for split in reviews]
        keys, counts = np.unique(np.concatenate(counted), return_counts=True)
        kept.append(keys[counts >= config.min_count])
        occurrences.append(counts[counts >= config.min_count])
    keys, counts = (np.concatenate(arrays) if arrays else np.empty(0, np.int64) for arrays in (kept, occurrences))
    most_frequent = np.argsort(-counts, kind="stable")[: config.max_ngrams]
    return torch.from_numpy(np.append(np.sort(keys[most_frequent]), NO_NGRAM))


def _ngram_keys(split: EncodedSplit, order: int, vocab_size: int, limit: int | None) -> NDArray[np.int64]:
    """Return the `sequence_keys` of all n-grams of known words of a split, without those across two reviews."""
    reviews = min(len(split), limit or len(split))
    ids = torch.from_numpy(np.array(split.ids[: split.offsets[reviews]]))
    keys = sequence_keys(ids[None], order, vocab_size)[-1, 0]
    known = ids.numpy() > UNKNOWN
    whole = np.convolve(known, np.ones(order, np.int64))[: len(known)] == order
    for offset in range(order - 1):  # the first words of a review end no n-gram of it
        starts = split.offsets[:reviews] + offset
        whole[starts[starts < len(whole)]] = False
    return keys[torch.from_numpy(whole)].numpy()


class _Regions(NamedTuple):
    """Regions of a batch."""

    rows: Tensor
    """N-grams of each region [regions, n-grams]; 0 for none."""
    words: Tensor
    """Words to either side of each [regions, words]; 0 for none."""
    negative_samples: Tensor
    """Words that stand for all others [samples]."""
    weight: float
    """Factor of this process's mean in the mean over the whole batch; 0 for regions that do not count."""

    @property
    def size(self) -> int:
        """Number of regions in the batch that count."""
        return len(self.rows) if self.weight else 0


class _TwoViewModule(pl.LightningModule):
    """Loss of the words around regions; trained by Adagrad, as n-grams differ so much in frequency."""

    def __init__(self, network: TwoView, config: TwoViewConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self._validation: list[tuple[float, int]] = []

    def training_step(self, batch: _Regions, _index: int) -> dict[str, Tensor]:
        loss: Tensor = self.network(batch.rows, batch.words, batch.negative_samples)
        self.log("train/loss", loss.detach() * batch.weight, prog_bar=True, sync_dist=True)
        return {"loss": loss * batch.weight, "shown": loss.detach()}

    def validation_step(self, batch: _Regions, _index: int) -> None:
        self._validation.append((float(self.network(batch.rows, batch.words, batch.negative_samples)), batch.size))

    def on_validation_epoch_end(self) -> None:
        losses, sizes = zip(*chain.from_iterable(gather(self._validation)), strict=True)
        self._validation.clear()
        self.log("val/loss", torch.tensor(np.average(losses, weights=sizes)), prog_bar=True)

    def configure_optimizers(self) -> Any:
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = RowAdagrad(self.parameters(), self.config.lr)
        scheduler = LambdaLR(optimizer, lambda step: 1 - step / steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class _RegionDataModule(pl.LightningDataModule):
    """Regions of the training, auxiliary and unlabelled texts to train on, of the validation reviews to validate on."""

    def __init__(
        self,
        train: Sequence[EncodedSplit],
        validation: Sequence[EncodedSplit],
        regions: RegionVectors,
        config: TwoViewConfig,
    ) -> None:
        super().__init__()
        counts = np.sum([np.bincount(split.ids, minlength=regions.vocab_size) for split in train], axis=0)
        self._train = _RegionBatches(train, regions, config, counts)
        self._validation = _RegionBatches(validation, regions, config, counts)
        self.order = PositionBatches(
            self._train.positions, config.batch_size, config.seed, config.validations_per_epoch
        )
        self._validation_order = PositionBatches(self._validation.positions, config.batch_size, config.seed, 1)
        self._validated = max(1, VALIDATED // config.batch_size)

    def train_dataloader(self) -> DataLoader[_Regions]:
        return ResumableLoader(self._train, self.order)

    def val_dataloader(self) -> DataLoader[_Regions]:
        batches = [batch for batch, _ in zip(self._validation_order, range(self._validated), strict=False)]
        return DataLoader(self._validation, batch_size=None, sampler=batches)


class PositionBatches(PartedBatches[NDArray[np.int64]]):
    """Sampler of batches of positions in a random order."""

    def _shuffled(self, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        order = random.permutation(self._rows)
        return (order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size))


class _RegionBatches(Dataset[_Regions]):
    """Regions by their positions in all reviews, which lie one after the other with gaps that no region spans."""

    def __init__(
        self, splits: Sequence[EncodedSplit], regions: RegionVectors, config: TwoViewConfig, counts: NDArray[np.int64]
    ) -> None:
        half = config.size // 2
        reach = half + config.distance
        read = [min(len(split), config.max_reviews or len(split)) for split in splits]
        lengths = np.concatenate([split.lengths[:reviews] for split, reviews in zip(splits, read, strict=True)])
        gaps = reach * np.arange(1, len(lengths) + 1)  # before each review
        self.positions = np.repeat(gaps, lengths) + np.arange(lengths.sum())
        ids = np.zeros(lengths.sum() + reach * (len(lengths) + 1), np.int32)
        ids[self.positions] = np.concatenate(
            [split.ids[: split.offsets[reviews]] for split, reviews in zip(splits, read, strict=True)]
        )
        self._regions, self._seed, self._negative_samples = regions, config.seed, config.negative_samples
        self._rows = regions.rows(torch.from_numpy(ids)[None])[:, 0].int()  # [orders, positions]
        predicted = np.arange(len(counts)) >= len(SPECIALS) + min(config.excluded_words, len(counts) // 2)
        self._words = torch.from_numpy(ids * predicted[ids])
        self._offsets = torch.tensor([sign * step for sign in (-1, 1) for step in range(half + 1, reach + 1)])
        frequencies = np.where(predicted, counts, 0) ** SMOOTHING
        self._cumulative = np.cumsum(frequencies / frequencies.sum())

    def __getitem__(self, positions: NDArray[np.int64]) -> _Regions:
        own, counted = share(positions.tolist())
        weight = world_size() * counted / len(positions)
        at = torch.tensor(own)
        rows = torch.stack([self._rows[order, at + offset] for order, offset in self._regions.ngrams], dim=1)
        words = self._words[at[:, None] + self._offsets]
        random = np.random.default_rng([self._seed, int(positions[0]), int(positions[-1])])
        samples = np.searchsorted(self._cumulative, random.random(self._negative_samples))
        samples = samples.clip(max=len(self._cumulative) - 1)
        return _Regions(rows.long(), words.long(), torch.from_numpy(samples), weight)
