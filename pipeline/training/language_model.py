"""Pre-train a language model: from a dataset folder to the weights that a classifier starts from; resumable."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.config.pretraining import LanguageModelConfig
from pipeline.config.split import PRETRAINING_SPLITS
from pipeline.networks.language_model import LanguageModel
from pipeline.networks.padding import pad
from pipeline.text.dataset import EncodedSplit, present_splits, read_split
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.base_module import BaseModule, TrainingLoss
from pipeline.training.batches import ReviewBatch
from pipeline.training.callbacks import LearningCurve
from pipeline.training.data_module import LengthBatches, sorted_batches
from pipeline.training.distributed import gather, share, world_size
from pipeline.training.hardware import Hardware
from pipeline.training.loggers import LogMetrics
from pipeline.training.resumable_loader import ResumableLoader
from pipeline.training.trainer import run_trainer
from pipeline.training.training_reviews import JoinedReviews


def pretrain_language_model(
    config: LanguageModelConfig, dataset: Path, hardware: Hardware, checkpoints: Path, log_metrics: LogMetrics
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Train a language model; resume from the newest checkpoint if `checkpoints` has one.

    Args:
        config: the language model and its training.
        dataset: folder written by `preprocess`. The model learns from the training, auxiliary and unlabelled
            texts, as far as there are any, and is validated on the validation reviews; it never sees the test reviews.
        hardware: from `resolve_hardware`.
        checkpoints: folder for the checkpoints of this very training; the caller removes it in the end.
        log_metrics: receives every logged point.

    Returns:
        weights of the embedding and the recurrent layers by their names in a `SentimentRNN`; for each part of an epoch
        a row: epoch, train_loss, val_loss (nats per word), val_perplexity.

    Raises:
        KeyboardInterrupt: the user interrupted it; it can be resumed.
    """
    pl.seed_everything(config.seed, verbose=False)
    network = LanguageModel(len(Vocabulary.load(dataset / "vocab.json")), config)
    curve = LearningCurve(("loss", "perplexity"))
    data = TextDataModule(dataset, config)
    run_trainer(
        _LanguageModule(network, config, config.seed),
        data,
        epochs=config.epochs * data.order.parts,
        monitor="val/loss",
        hardware=hardware,
        curve=curve,
        checkpoints=checkpoints,
        accumulate_grad_batches=config.accumulate_grad_batches,
        log_metrics=log_metrics,
    )
    weights = network.reader.state_dict()
    return {name: weights[name] for name in weights if not name.startswith("fc.")}, curve.rows


class _LanguageModule(BaseModule):
    """Mean negative log-likelihood of a word."""

    network: LanguageModel

    def __init__(self, network: LanguageModel, config: LanguageModelConfig, seed: int) -> None:
        super().__init__(network, config, seed)
        self._validation: list[tuple[float, int]] = []

    def training_loss(self, batch: ReviewBatch) -> TrainingLoss:
        loss: Tensor = self.network(batch.ids, batch.lengths)
        return TrainingLoss(loss, loss)

    def validation_step(self, batch: ReviewBatch, _index: int) -> None:
        assert batch.lengths is not None
        predicted = int((batch.lengths[: batch.size] - 1).sum())  # all words except the first of each review
        self._validation.append((float(self.network(batch.ids, batch.lengths)), predicted))

    def on_validation_epoch_end(self) -> None:
        losses, words = zip(*chain.from_iterable(gather(self._validation)), strict=True)
        self._validation.clear()
        loss = torch.tensor(np.average(losses, weights=words))
        self.log_dict({"val/loss": loss, "val/perplexity": loss.exp()}, prog_bar=True)


class TextDataModule(pl.LightningDataModule):
    """Training, auxiliary and unlabelled texts to train on, validation reviews as text to validate on."""

    def __init__(self, folder: Path, config: LanguageModelConfig) -> None:
        super().__init__()
        self._max_length = config.max_length
        self._train, self._validation = (
            JoinedReviews([_predictable(read_split(folder, name), config.max_reviews) for name in names])
            for names in (present_splits(folder, PRETRAINING_SPLITS), ["validation"])
        )
        rows = np.arange(len(self._train))
        self.order = LengthBatches(
            rows, self._train.lengths[rows], config.batch_size, config.seed, config.validations_per_epoch
        )
        rows = np.arange(len(self._validation))
        self._validation_order = sorted_batches(rows, self._validation.lengths[rows], config.batch_size)

    def train_dataloader(self) -> DataLoader[ReviewBatch]:
        """Return shuffled batches of reviews of similar length, in another order each epoch."""
        return ResumableLoader(_TextBatches(self._train, self._max_length), self.order)

    def val_dataloader(self) -> DataLoader[ReviewBatch]:
        """Return batches from the shortest reviews to the longest."""
        reviews = _TextBatches(self._validation, self._max_length)
        return DataLoader(reviews, batch_size=None, sampler=[rows.tolist() for rows in self._validation_order])


def _predictable(split: EncodedSplit, limit: int | None) -> tuple[EncodedSplit, NDArray[np.int64]]:
    """Return a split, and the rows of its first reviews with at least two words: of one word nothing is predicted."""
    return split, np.flatnonzero(split.lengths > 1)[:limit]


class _TextBatches(Dataset[ReviewBatch]):
    """This process's share of each batch of reviews."""

    def __init__(self, reviews: JoinedReviews, max_length: int | None) -> None:
        self._reviews, self._max_length = reviews, max_length
        self._predicted = np.minimum(reviews.lengths, max_length or np.inf).astype(np.int64) - 1
        """Number of words of each review that are predicted: all but the first."""

    def __getitem__(self, rows: list[int]) -> ReviewBatch:
        own, counted = share(rows)
        weight = world_size() * float(self._predicted[own[:counted]].sum() / self._predicted[rows].sum())
        return ReviewBatch(*pad([self._reviews[row] for row in own], None), weight).excerpt(self._max_length)
