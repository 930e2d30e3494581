"""Pre-training by each method that the configuration chooses."""

from functools import partial
from pathlib import Path

from torch import Tensor

from pipeline.config.pretraining import LanguageModelConfig, PretrainingConfig
from pipeline.training.distributed import process_group
from pipeline.training.hardware import Hardware
from pipeline.training.language_model import pretrain_language_model
from pipeline.training.loggers import LogMetrics, log_prefixed
from pipeline.training.two_view import pretrain_regions

Pretrained = tuple[dict[str, Tensor], list[dict[str, float]]]
"""Weights by their names in a `SentimentRNN`, and the learning curve: a row for each part of an epoch."""


def pretrain(
    config: PretrainingConfig, dataset: Path, hardware: Hardware, checkpoints: Path, log_metrics: LogMetrics
) -> dict[str, Pretrained]:
    """Pre-train by each method in turn; resume from the newest checkpoint if `checkpoints` has one.

    Args:
        config: the methods and their settings.
        dataset: folder written by `preprocess`, whose training, auxiliary and unlabelled reviews are learned from.
        hardware: from `resolve_hardware`.
        checkpoints: folder for the checkpoints of this very pre-training; the caller removes it in the end.
        log_metrics: receives every logged point, below the name of its method.

    Returns:
        what each method ended with, by its name.

    Raises:
        PipelineError: the vocabulary is too large to number its n-grams.
        KeyboardInterrupt: the user interrupted it; it can be resumed.
    """
    trained = {}
    with process_group():  # one for all trainings: processes that part may not meet again at the same address
        for name, settings in config.methods.items():
            log_own = partial(log_prefixed, log_metrics, name)
            if isinstance(settings, LanguageModelConfig):
                trained[name] = pretrain_language_model(settings, dataset, hardware, checkpoints / name, log_own)
            else:
                trained[name] = pretrain_regions(settings, dataset, hardware, checkpoints / name, log_own)
    return trained
