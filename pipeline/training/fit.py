"""Fit the classifier: one training, from a dataset folder to trained and calibrated weights; resumable."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.debug import NO_DEBUG
from pipeline.config.model import SentimentRNNConfig
from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.config.schema import Config
from pipeline.config.text import TextConfig
from pipeline.inference.calibration import calibrate, fit_weights
from pipeline.inference.objective_value import objective_value
from pipeline.inference.scoring import Calibration, score_with_paths
from pipeline.networks.build import Network, build_network, deep_part, fixed_length
from pipeline.networks.likelihood import build_likelihood
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.runtime.paths import project_root
from pipeline.text.dataset import read_dataset_info
from pipeline.text.vocabulary import Encoder, Vocabulary
from pipeline.training.callbacks import LearningCurve, LogMetrics, optional_callbacks
from pipeline.training.classifier_module import ClassifierModule
from pipeline.training.data_module import ReviewDataModule
from pipeline.training.few_reviews import path_spreads, resolve_epochs
from pipeline.training.folds import read_fold
from pipeline.training.hardware import Hardware
from pipeline.training.initial_weights import start_from_pretrained, start_from_vectors
from pipeline.training.loggers import build_loggers
from pipeline.training.pseudo_labels import PseudoLabels
from pipeline.training.trainer import run_trainer

log = logging.getLogger(__name__)

MONITOR = "val/calibrated_loss"
"""Logged value that is lowest in the best epoch."""


@dataclass(frozen=True)
class FitResult:
    """Trained network, its calibration and its learning curve."""

    network: Network
    """With the weights of the epoch with the lowest calibrated validation loss; on the CPU, in evaluation mode."""
    calibration: Calibration
    """Fitted on the validation reviews."""
    probabilities: NDArray[np.float32]
    """Calibrated probability of each class for these [n, classes]."""
    epochs: int
    """Epochs that were asked for, by the configuration or by `resolve_epochs`; early stopping makes them fewer."""
    curve: list[dict[str, float]]
    """A row for each epoch: epoch, train_loss, val_loss, val_calibrated_loss, val_accuracy."""
    objective: float
    """Value of the objective on the validation reviews, by the labels that the model gives."""
    seconds: float
    """Time for training and validation in this process; after a resume, only the time since then."""
    reviews_per_second: float

    @property
    def best(self) -> dict[str, float]:
        """Row of the learning curve with the lowest calibrated validation loss, whose weights are kept."""
        return min(self.curve, key=lambda row: row["val_calibrated_loss"])


def fit(
    config: Config,
    dataset: Path,
    hardware: Hardware,
    checkpoints: Path,
    log_metrics: LogMetrics,
    pretrained: Mapping[str, Tensor] | None = None,
    pseudo_labels: PseudoLabels | None = None,
    objective: ObjectiveConfig = ACCURACY,
    name: str = "training",
) -> FitResult:
    """Train the configured network; resume after the last finished epoch if `checkpoints` has one.

    Args:
        config: its model, training and seed are used.
        dataset: folder written by `preprocess`.
        hardware: from `resolve_hardware`.
        checkpoints: folder for the checkpoints of this very training; the caller removes it in the end.
        log_metrics: receives every logged point; after a resume, those of the repeated epoch again.
        pretrained: weights to start from, by their names in a `SentimentRNN`.
        pseudo_labels: labels of unlabelled reviews, which are trained on like the labelled ones.
        objective: what the labels are chosen for; it changes no weight of the network.
        name: name of the training for the loggers beside `log_metrics`.

    Raises:
        KeyboardInterrupt: the user interrupted it; it can be resumed after the last finished epoch.
    """
    pl.seed_everything(config.seed, verbose=False)
    info, debug = read_dataset_info(dataset), config.debug or NO_DEBUG
    if debug != NO_DEBUG:
        log.warning("debug: the training is cut short or changed, so that its figures mean nothing")
    data = ReviewDataModule(
        dataset,
        batch_size=config.training.batch_size,
        fixed_length=fixed_length(config.model),
        max_reviews=config.training.max_reviews,
        auxiliary_weight=config.training.auxiliary_weight,
        class_weights=config.training.class_weights,
        classes=info.corpus.classes,
        unlabelled=config.training.virtual_weight > 0,
        pseudo_labels=pseudo_labels,
        fold=read_fold(dataset, config.training),
        overfit=debug.overfit_reviews,
        seed=config.seed,
    )
    likelihood = build_likelihood(len(info.corpus.classes), info.corpus.ordered)
    vocabulary = Vocabulary.load(dataset / "vocab.json")
    network = build_network(config.model, len(vocabulary), likelihood, config.pretraining)
    start_from_vectors(deep_part(network).embedding, dataset)
    if pretrained is not None:
        start_from_pretrained(network, pretrained, config.pretraining)
    if isinstance(network, WideAndDeep):
        _look_up_negations(network, config, TextConfig.model_validate(info.text), vocabulary)
        network.wide.count(data.train, data.train.labels, data.train.weights)
    epochs = debug.epochs or resolve_epochs(config.training, len(data.train))
    spreads = path_spreads(len(data.train)) if isinstance(network, WideAndDeep) else ()
    curve = LearningCurve(("loss", "calibrated_loss", "accuracy"))
    started = time.perf_counter()
    run_trainer(
        ClassifierModule(network, config.training, config.seed, spreads),
        data,
        epochs=epochs,
        monitor=MONITOR,
        hardware=hardware,
        curve=curve,
        checkpoints=checkpoints,
        log_metrics=log_metrics,
        callbacks=optional_callbacks(config.training, MONITOR),
        accumulate=config.training.accumulate_grad_batches,
        loggers=list(build_loggers(config.logger, project_root() / "logs", name)),
        debug=debug,
    )
    seconds = time.perf_counter() - started
    network = network.to(hardware.device).eval()
    _, paths = score_with_paths(network, list(data.validation), fixed_length(config.model))
    weights = np.ones(1)
    if isinstance(network, WideAndDeep):
        weights, _ = fit_weights(paths, data.validation.labels, likelihood, spreads)
        network.path_weights.copy_(torch.from_numpy(weights))
    outputs = (paths.reshape(-1, len(weights)) @ weights).reshape(paths.shape[:2])
    calibration = calibrate(outputs, data.validation.labels, likelihood, objective, info.corpus.classes)
    log.info("calibrated on validation: %s", _in_words(calibration))
    probabilities = calibration.probabilities(outputs)
    predicted = calibration.rule.choose(probabilities)
    value = objective_value(objective, info.corpus.classes, data.validation.labels, predicted)
    network.cpu()
    return FitResult(network, calibration, probabilities, epochs, curve.rows, value, seconds, curve.reviews / seconds)


def _look_up_negations(network: WideAndDeep, config: Config, text: TextConfig, vocabulary: Vocabulary) -> None:
    assert isinstance(config.model, SentimentRNNConfig)
    assert config.model.wide is not None
    if (negation := config.model.wide.negation) is None:
        return
    assert network.wide.negation is not None
    encoder = Encoder(text, vocabulary)
    words, ends = ([encoder.encode(word) for word in words] for words in (negation.words, negation.ends))
    if text.tokenizer == "characters":
        words = [ids for ids in words if len(ids) == 1]  # several letters occur within other words too
    if not network.wide.negation.look_up(words, ends):
        log.warning("model.wide.negation.words: the vocabulary has none of them; name those of the reviews' language")


def _in_words(calibration: Calibration) -> str:
    summary = {name: value for name, value in calibration.summary().items() if value is not None and name != "costs"}
    shown = {name: "/".join(f"{number:.2f}" for number in np.atleast_1d(value)) for name, value in summary.items()}
    return ", ".join(f"{name} {numbers}" for name, numbers in shown.items()).replace("-", "\N{MINUS SIGN}")
