"""One pre-training, from a dataset folder to the weights a classifier starts from; resumable."""

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.config import LanguageModelConfig
from pipeline.networks.language_model import LanguageModel
from pipeline.networks.padding import pad
from pipeline.text.dataset import EncodedSplit, read_split
from pipeline.training.base_module import Learner
from pipeline.training.callbacks import LearningCurve, LogMetrics
from pipeline.training.classifier_module import Reviews
from pipeline.training.data_module import LengthBatches, sorted_batches
from pipeline.training.distributed import gathered, share, started
from pipeline.training.hardware import Hardware
from pipeline.training.trainer import run_training


def pretrain(
    config: LanguageModelConfig,
    dataset: Path,
    vocab_size: int,
    hardware: Hardware,
    checkpoints: Path,
    log_metrics: LogMetrics,
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Train a language model; go on after the last finished part of an epoch if `checkpoints` holds one.

    Args:
        config: how.
        dataset: folder written by `preprocess`; its training and, where it has them, unlabelled reviews are read.
            Validation reviews judge; test reviews stay unseen.
        vocab_size: number of token ids.
        hardware: from `resolve_hardware`.
        checkpoints: folder of this very training's checkpoints; the caller removes it when all is done.
        log_metrics: receives every logged point.

    Returns:
        the weights of the embedding and the recurrent layers by their names in a `SentimentRNN`, and for each part of
        an epoch a row: epoch, train_loss, val_loss (nats per word), val_perplexity.

    Raises:
        KeyboardInterrupt: the user stopped it; the finished parts can be resumed.
    """
    pl.seed_everything(config.seed, verbose=False)
    module = _LanguageModule(LanguageModel(vocab_size, config), config, config.seed)
    curve = LearningCurve(("loss", "perplexity"))
    data = _RunningText(dataset, config)
    run_training(
        module,
        data,
        epochs=config.epochs * data.order.parts,
        monitor="val/loss",
        hardware=hardware,
        curve=curve,
        checkpoints=checkpoints,
        log_metrics=log_metrics,
    )
    weights = module.network.reader.state_dict()
    return {name: weights[name] for name in weights if not name.startswith("fc.")}, curve.rows


class _LanguageModule(Learner):
    network: LanguageModel

    def __init__(self, network: LanguageModel, config: LanguageModelConfig, seed: int) -> None:
        super().__init__(network, config, seed)
        self._validation: list[tuple[float, int]] = []

    def losses(self, batch: Reviews) -> tuple[Tensor, Tensor]:
        loss: Tensor = self.network(batch.ids, batch.lengths)
        return loss, loss

    def validation_step(self, batch: Reviews, _index: int) -> None:
        assert batch.lengths is not None
        predicted = int((batch.lengths[: batch.size] - 1).sum())  # all words but the first of each review
        self._validation.append((float(self.network(batch.ids, batch.lengths)), predicted))

    def on_validation_epoch_end(self) -> None:
        losses, words = zip(*chain.from_iterable(gathered(self._validation)), strict=True)
        self._validation.clear()
        loss = torch.tensor(np.average(losses, weights=words))
        self.log_dict({"val/loss": loss, "val/perplexity": loss.exp()}, prog_bar=True)


class _RunningText(pl.LightningDataModule):
    def __init__(self, folder: Path, config: LanguageModelConfig) -> None:
        super().__init__()
        names = [name for name in ("train", "unlabelled") if (folder / name).exists()]
        self._train = [read_split(folder, name) for name in names]
        self._validation = [read_split(folder, "validation")]
        lengths = np.concatenate([split.lengths for split in self._train])
        rows = _readable(lengths)[: config.max_reviews]
        self.order = LengthBatches(rows, lengths[rows], config.batch_size, config.seed, config.parts)
        lengths = self._validation[0].lengths
        rows = _readable(lengths)[: config.max_reviews]
        self._validation_order = sorted_batches(rows, lengths[rows], config.batch_size)

    def train_dataloader(self) -> DataLoader[Reviews]:
        return DataLoader(_Rows(self._train), batch_size=None, sampler=self.order)

    def val_dataloader(self) -> DataLoader[Reviews]:
        return DataLoader(_Rows(self._validation), batch_size=None, sampler=self._validation_order)


def _readable(lengths: Any) -> Any:
    """Reviews of a single word have none that follows."""
    return np.flatnonzero(lengths > 1)


class _Rows(Dataset[Reviews]):
    """The reviews of several splits, counted through; of each batch this process's share."""

    def __init__(self, splits: list[EncodedSplit]) -> None:
        self._splits = splits
        self._following = np.concatenate([split.lengths for split in splits]) - 1
        """The words of each review that follow another: so many are predicted."""
        self._starts = np.cumsum([0] + [len(split) for split in splits])

    def __getitem__(self, rows: list[int]) -> Reviews:
        own, counted = share(rows)
        weight = started() * float(self._following[own[:counted]].sum() / self._following[rows].sum())
        found = np.searchsorted(self._starts, own, side="right") - 1
        reviews = [self._splits[split][row - self._starts[split]] for split, row in zip(found, own, strict=True)]
        return Reviews(*pad(reviews, None), weight)
