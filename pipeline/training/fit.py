"""Fit the classifier: one training, from a dataset folder to trained and calibrated weights; resumable."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from pipeline.inference.calibration import Calibration
from pipeline.inference.calibration_fitting import calibrate, fit_weights
from pipeline.inference.objective_value import objective_value
from pipeline.inference.scoring import score_with_paths
from pipeline.networks.build import Network, deep_path, fixed_length, path_names
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.runtime.paths import project_root
from pipeline.text.dataset import read_dataset_record
from pipeline.text.vocabulary import Encoder, Vocabulary
from pipeline.training.callbacks import LearningCurve, optional_callbacks
from pipeline.training.data_module import LossWeights, ReviewDataModule, ReviewSelection
from pipeline.training.few_reviews import fitted_by_regression, path_spreads, resolve_epochs
from pipeline.training.folds import Fold
from pipeline.training.hardware import Hardware
from pipeline.training.initial_weights import start_from_pretrained, start_from_vectors
from pipeline.training.loggers import LogMetrics, open_loggers
from pipeline.training.ngram_regression import fit_ngrams
from pipeline.training.pseudo_labels import PseudoLabels
from pipeline.training.sentiment_module import SentimentModule
from pipeline.training.trainer import run_trainer
from pipeline.training.training_reviews import TrainingReviews

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
    steps: int
    """Optimizer steps of all epochs."""
    accuracy: float
    """Share of the validation reviews that get the right label from the model."""
    objective: float
    """Value of the objective on the validation reviews, by the labels that the model gives."""
    seconds: float
    """Time for training and validation, that of the untrained network and that before a resume among it."""
    reviews_per_second: float

    @property
    def best(self) -> dict[str, float]:
        """Row of the learning curve with the lowest calibrated validation loss, whose weights are kept."""
        return min(self.curve, key=lambda row: row["val_calibrated_loss"])

    @property
    def val_metrics(self) -> dict[str, float]:
        """Metrics of the kept weights on validation: the last point of each curve `val/…`."""
        losses = {f"val/{name}": self.best[f"val_{name}"] for name in ("loss", "calibrated_loss")}
        return {**losses, "val/accuracy": self.accuracy}


def fit(
    config: Config,
    dataset: Path,
    hardware: Hardware,
    checkpoints: Path,
    log_metrics: LogMetrics,
    pretrained: Mapping[str, Tensor] | None = None,
    pseudo_labels: PseudoLabels | None = None,
    objective: ObjectiveConfig = ACCURACY,
    fold: Fold | None = None,
    name: str = "training",
) -> FitResult:
    """Train the configured network; resume from the newest checkpoint if `checkpoints` has one.

    Args:
        config: its model, training and seed are used.
        dataset: folder written by `preprocess`.
        hardware: from `resolve_hardware`.
        checkpoints: folder for the checkpoints of this very training; the caller removes it in the end.
        log_metrics: receives every logged point; after a resume, those of repeated steps again.
        pretrained: weights to start from, by their names in a `SentimentRNN`.
        pseudo_labels: labels of unlabelled reviews, which are trained on like the labelled ones.
        objective: what the labels are chosen for; it changes no weight of the network.
        fold: reviews to train and to validate on; None: those of the splits.
        name: name of the training for the loggers beside `log_metrics`.

    Raises:
        KeyboardInterrupt: the user interrupted it; it can be resumed.
    """
    pl.seed_everything(config.seed, verbose=False)
    classes, debug = read_dataset_record(dataset).corpus.classes, config.debug or NO_DEBUG
    if debug != NO_DEBUG:
        log.warning("debug: the training is cut short or changed, so that its figures mean nothing")
    data = build_data_module(config, dataset, pseudo_labels, fold)
    spreads = path_spreads(data.train.labels) if path_names(config.model) else ()
    module = _build_module(config, dataset, data.train, spreads, pretrained)
    _log_long_texts(data.train.lengths, config.model.max_length)
    epochs = debug.epochs or resolve_epochs(config.training, len(data.train))
    curve = LearningCurve(("loss", "calibrated_loss", "accuracy"))
    with open_loggers(config.logger, project_root() / "logs", name) as loggers:
        steps = run_trainer(
            module,
            data,
            epochs=epochs,
            monitor=MONITOR,
            hardware=hardware,
            curve=curve,
            checkpoints=checkpoints,
            log_metrics=log_metrics,
            callbacks=optional_callbacks(config.training, MONITOR),
            accumulate_grad_batches=config.training.accumulate_grad_batches,
            loggers=loggers,
            debug=debug,
            validate_first=True,
        )
    seconds = curve.seconds
    network, likelihood, labels = module.network.to(hardware.device).eval(), module.likelihood, data.validation.labels
    outputs = _joined_outputs(network, data.validation, fixed_length(config.model), spreads)
    calibration = calibrate(outputs, labels, likelihood, objective, classes)
    log.info("calibrated on validation: %s", _in_words(calibration))
    probabilities = calibration.probabilities(outputs)
    predicted = calibration.rule.choose(probabilities)
    value_of = partial(objective_value, classes=classes, labels=labels, predicted=predicted)
    accuracy = value_of(ACCURACY)
    network.cpu()
    return FitResult(
        network=network,
        calibration=calibration,
        probabilities=probabilities,
        epochs=epochs,
        curve=curve.rows,
        steps=steps,
        accuracy=accuracy,
        objective=accuracy if objective == ACCURACY else value_of(objective),
        seconds=seconds,
        reviews_per_second=curve.reviews / seconds,
    )


def build_data_module(
    config: Config, dataset: Path, pseudo_labels: PseudoLabels | None = None, fold: Fold | None = None
) -> ReviewDataModule:
    """Return the batches that `fit` trains and validates on; the arguments are those of `fit`."""
    training = config.training
    return ReviewDataModule(
        dataset,
        batch_size=training.batch_size,
        fixed_length=fixed_length(config.model),
        seed=config.seed,
        classes=read_dataset_record(dataset).corpus.classes,
        selection=ReviewSelection(
            max_reviews=training.max_reviews,
            fold=fold,
            unlabelled=training.virtual_weight > 0,
            pseudo_labels=pseudo_labels,
            overfit=(config.debug or NO_DEBUG).overfit_reviews,
        ),
        weights=LossWeights(training.auxiliary_weight, training.counterfactual_weight, training.class_weights),
    )


def _build_module(
    config: Config,
    dataset: Path,
    train: TrainingReviews,
    spreads: Sequence[float],
    pretrained: Mapping[str, Tensor] | None,
) -> SentimentModule:
    """Build the network in its Lightning module, with initial weights, and n-grams counted or fitted on `train`."""
    info, vocabulary = read_dataset_record(dataset), Vocabulary.load(dataset / "vocab.json")
    module = SentimentModule(
        config.model,
        len(vocabulary),
        config.training,
        config.seed,
        classes=info.corpus.classes,
        ordered=info.corpus.ordered,
        pretraining=config.pretraining,
        spreads=spreads,
    )
    network, likelihood = module.network, module.likelihood
    start_from_vectors(deep_path(network).embedding, dataset)
    if pretrained is not None:
        start_from_pretrained(network, pretrained, config.pretraining)
    if isinstance(network, WideAndDeep):
        _look_up_negations(network, config, TextConfig.model_validate(info.text), vocabulary)
        network.wide.count(train, train.labels, train.weights)
        if fitted_by_regression(train.lengths, train.labels, likelihood.columns):
            fit_ngrams(network.wide, train, likelihood)
    return module


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


def _log_long_texts(lengths: NDArray[np.int64], limit: int | None) -> None:
    if limit is not None and (longer := int((lengths > limit).sum())):
        log.info(
            "%s of %s training texts are longer than model.max_length=%d: the network reads their beginning and end",
            *(f"{longer:,}", f"{len(lengths):,}", limit),
        )


def _joined_outputs(
    network: Network, validation: TrainingReviews, length: int | None, spreads: Sequence[float]
) -> NDArray[np.float64]:
    """Return the outputs [n, outputs] for the validation reviews; where there are paths, fit their weights first."""
    _, paths = score_with_paths(network, list(validation), length)
    weights = np.ones(1)
    if isinstance(network, WideAndDeep):
        weights, _ = fit_weights(paths, validation.labels, deep_path(network).likelihood, spreads)
        network.path_weights.copy_(torch.from_numpy(weights))
    outputs: NDArray[np.float64] = (paths.reshape(-1, len(weights)) @ weights).reshape(paths.shape[:2])
    return outputs


def _in_words(calibration: Calibration) -> str:
    summary = {name: value for name, value in calibration.summary().items() if value is not None and name != "costs"}
    shown = {name: "/".join(f"{number:.2f}" for number in np.atleast_1d(value)) for name, value in summary.items()}
    return ", ".join(f"{name} {numbers}" for name, numbers in shown.items()).replace("-", "\N{MINUS SIGN}")
