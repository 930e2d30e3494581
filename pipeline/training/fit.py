"""One training, from a dataset folder to trained weights; resumable."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, WeightAveraging
from torch import Tensor

from pipeline.config import Config
from pipeline.inference.calibration import calibrate, fit_weights
from pipeline.inference.scoring import Calibration, score_paths
from pipeline.networks.build import Network, build_network, deep_part, fixed_length
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.text.dataset import read_dataset_info, read_vocabulary
from pipeline.training.callbacks import LearningCurve, LogMetrics
from pipeline.training.classifier_module import SentimentModule
from pipeline.training.data_module import SentimentDataModule
from pipeline.training.hardware import Hardware
from pipeline.training.initial_weights import load_pretrained, start_from
from pipeline.training.pseudo_labels import PseudoLabels
from pipeline.training.trainer import run_training
from pipeline.training.word_vectors import start_from_vectors

log = logging.getLogger(__name__)

MONITOR = "val/calibrated_loss"
"""What is least in the best epoch."""


@dataclass(frozen=True)
class Training:
    """What a training leaves behind."""

    network: Network
    """With the weights of the epoch whose calibrated validation loss was least; on the CPU, in evaluation mode."""
    calibration: Calibration
    """Fixed on validation."""
    curve: list[dict[str, float]]
    """A row for each epoch: epoch, train_loss, val_loss, val_calibrated_loss, val_accuracy."""
    seconds: float
    """Training and validation, in this process: where a training was resumed, since then."""
    reviews_per_second: float

    @property
    def best(self) -> dict[str, float]:
        """The row of the learning curve with the least calibrated validation loss: that of the weights kept."""
        return min(self.curve, key=lambda row: row["val_calibrated_loss"])


def fit(
    config: Config,
    dataset: Path,
    vocab_size: int,
    hardware: Hardware,
    checkpoints: Path,
    log_metrics: LogMetrics,
    pretrained: Mapping[str, Tensor] | None = None,
    pseudo_labels: PseudoLabels | None = None,
) -> Training:
    """Train the configured network; go on after the last finished epoch if `checkpoints` holds one.

    Args:
        config: its model, training and seed are used.
        dataset: folder written by `preprocess`.
        vocab_size: number of token ids.
        hardware: from `resolve_hardware`.
        checkpoints: folder of this very training's checkpoints; the caller removes it when all is done.
        log_metrics: receives every logged point; on a resume, those of a repeated epoch again.
        pretrained: weights to start from, by their names in a `SentimentRNN`.
        pseudo_labels: of unlabelled reviews, to be trained on like the labelled ones.

    Raises:
        KeyboardInterrupt: the user stopped it; the finished epochs can be resumed.
    """
    pl.seed_everything(config.seed, verbose=False)
    data = SentimentDataModule(
        dataset,
        batch_size=config.training.batch_size,
        fixed_length=fixed_length(config.model),
        max_reviews=config.training.max_reviews,
        unlabelled=config.training.virtual_weight > 0,
        pseudo_labels=pseudo_labels,
        seed=config.seed,
    )
    network = build_network(config.model, vocab_size)
    start_from_vectors(deep_part(network).embedding, dataset)
    if pretrained is not None:
        start_from(network, pretrained)
    if isinstance(network, WideAndDeep):
        network.wide.count(*data.labelled())
    curve = LearningCurve(("loss", "calibrated_loss", "accuracy"))
    callbacks: list[Callback] = []
    if config.training.ema_decay is not None:
        callbacks.append(WeightAveraging(avg_fn=partial(moving_average, config.training.ema_decay)))
    if config.training.patience is not None:
        callbacks.append(EarlyStopping(MONITOR, patience=config.training.patience))
    started = time.perf_counter()
    run_training(
        SentimentModule(network, config.training, config.seed),
        data,
        epochs=config.training.epochs,
        monitor=MONITOR,
        hardware=hardware,
        curve=curve,
        checkpoints=checkpoints,
        log_metrics=log_metrics,
        callbacks=callbacks,
    )
    seconds = time.perf_counter() - started
    network = network.cpu().eval()
    paths = score_paths(network, list(data.validation), fixed_length(config.model))
    weights = np.ones(1)
    if isinstance(network, WideAndDeep):
        weights, _ = fit_weights(paths, data.validation.labels)
        network.path_weights.copy_(torch.from_numpy(weights))
    calibration = calibrate(paths @ weights, data.validation.labels)
    log.info("calibrated on validation: %s", calibration)
    return Training(network, calibration, curve.rows, seconds, curve.reviews / seconds)


def fit_prepared(
    config: Config,
    dataset: Path,
    pretrained: Path,
    pseudo_labels: PseudoLabels | None,
    hardware: Hardware,
    checkpoints: Path,
    log_metrics: LogMetrics,
) -> Training:
    """As `fit`, with the vocabulary and the pre-trained weights read from the folders of the pipeline.

    Raises:
        PipelineError: as `load_pretrained`.
    """
    vocab_size = len(read_vocabulary(dataset))
    weights = load_pretrained(pretrained, config.pretraining, read_dataset_info(dataset).digest)
    return fit(config, dataset, vocab_size, hardware, checkpoints, log_metrics, weights, pseudo_labels)


def moving_average(decay: float, average: Tensor, present: Tensor, updates: Tensor | int) -> Tensor:
    """The exponential moving average after one more update.

    The decay rises from 0.1 to its full value, (1 + n) / (10 + n) after n updates, so that the random weights of the
    beginning do not linger in the average of a short training (as in TensorFlow's ExponentialMovingAverage).
    """
    return average.lerp(present, 1 - min(decay, (1 + int(updates)) / (10 + int(updates))))
