"""Rules by which a training follows the number of its reviews: docs/small-data.md says how they were chosen."""

import logging
import math

import numpy as np
from numpy.typing import NDArray

from pipeline.config.training import TrainingConfig

MIN_EPOCHS, MAX_EPOCHS = 3, 20
MIN_STEPS = 600
"""Steps of the optimizer that a recurrent network needs before it is as good as n-grams."""
FEW_TRAINING = 5000
"""Training reviews, equally many of each class, from which on a recurrent network is trusted as much as n-grams, and
trained together with them."""
MAX_REGRESSED = 4_000_000
"""Tokens of the training reviews, times columns of the n-grams, beyond which a regression would take over 1 GB."""
FEW_SPREADS, SPREADS = (0.3, 1.0), (1.0, 1.0)
"""Prior spreads of the recurrent network and the n-grams, for fewer training reviews and for more."""

log = logging.getLogger(__name__)


def resolve_epochs(config: TrainingConfig, reviews: int) -> int:
    """Return `training.epochs`, or where it is null the epochs that the number of reviews asks for, and say so.

    These are `MIN_EPOCHS`, and of few reviews as many as make `MIN_STEPS`, but at most `MAX_EPOCHS`.

    Args:
        config: its number of epochs, batch size and accumulation are used.
        reviews: number of reviews to train on, auxiliary and pseudo-labelled ones among them.
    """
    if config.epochs is not None:
        return config.epochs
    steps = math.ceil(math.ceil(reviews / config.batch_size) / config.accumulate_grad_batches)
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(MIN_STEPS / steps)))
    log.info(
        "training.epochs is null: %d epochs of %s steps, for %s training reviews", epochs, f"{steps:,}", f"{reviews:,}"
    )
    return epochs


def shortage(labels: NDArray[np.int8]) -> str | None:
    """Return why the training reviews are few, for a message; None if they are not fewer than `FEW_TRAINING`.

    Reviews count as many as there would be if all classes were as rare as the rarest: of 9,000 reviews, 450 of them
    negative, a network learns what is negative no better than of 900.

    Args:
        labels: class indices of the training reviews [n].
    """
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if len(labels) < FEW_TRAINING:
        return f"fewer than {FEW_TRAINING:,} training texts"
    if len(counts) * counts.min() < FEW_TRAINING:
        return f"only {counts.min():,} of the {len(labels):,} training texts are of the rarest class"
    return None


def fitted_by_regression(lengths: NDArray[np.int64], labels: NDArray[np.int8], columns: int) -> bool:
    """Return True if the n-grams of the training reviews are fitted by regression, and say so.

    Args:
        lengths: number of tokens of each training review [n].
        labels: as for `shortage`.
        columns: those of the n-grams, see `pipeline.networks.likelihood.Likelihood`.
    """
    few = shortage(labels)
    fitted = few is not None and int(lengths.sum()) * columns <= MAX_REGRESSED
    if fitted:
        log.info("%s: n-grams are fitted by regression", few)
    return fitted


def path_spreads(labels: NDArray[np.int8]) -> tuple[float, float]:
    """Return the `spreads` for `fit_weights` to join a recurrent network and n-grams; labels as for `shortage`."""
    return SPREADS if shortage(labels) is None else FEW_SPREADS
