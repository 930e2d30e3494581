"""What each word of a review adds to the log-odds that it is positive.

The words are compared with unknown ones, so many of them: what the network would say of a review it cannot read. In
training words are replaced by the unknown word at random (`word_dropout`), so it has learnt what that means.

The deep path is attributed by integrated gradients (Sundararajan, Taly & Yan 2017): gradients with respect to the word
vectors, averaged on the straight way from the unknown words to the real ones. They add up to the change of the answer,
up to an error of the numerical integration, which is measured. The wide path is a sum over n-grams, so that each
n-gram's part is known exactly; it is divided evenly among its words, and compared with no n-grams at all.
"""

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.build import Network, deep_part
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.text.vocabulary import PADDING, UNKNOWN

STEPS = (64, 128, 256, 512)
"""Points of the integral; more are taken until the error is within tolerance."""
TOLERANCE = 0.01
"""Largest error, as a share of the change of the answer, or of 1 where that is smaller."""
BATCH_SIZE = 64


@dataclass(frozen=True)
class Contributions:
    """In the network's log-odds, before calibration."""

    deep: NDArray[np.float64]
    """What each word adds [n], read by the network."""
    wide: NDArray[np.float64] | None
    """What it adds [n] as a part of n-grams; None where the network has no such path."""
    baseline: float
    """The answer to so many unknown words."""
    error: float
    """Sum of all words minus the change of the answer."""
    exact: bool
    """Whether the error is within tolerance."""


def without_words(x: Tensor) -> Tensor:
    """Token ids [batch, time] with every word unknown; padding stays padding."""
    return x.where(x == PADDING, UNKNOWN)


def contributions(network: Network, x: Tensor, words: int) -> Contributions:
    """Attribute the answer to one review.

    Args:
        network: in evaluation mode.
        x: token ids [1, time].
        words: how many of them, at the end, are words; those before are padding.
    """
    deep = deep_part(network)
    weights = network.path_weights.tolist() if isinstance(network, WideAndDeep) else [1.0]
    with torch.no_grad():
        baseline = deep.logits(without_words(x))[0].item()
        change = deep.logits(x)[0].item() - baseline
    found, error = integrated_gradients(deep, x, change)
    wide = ngram_contributions(network.wide, x[0]) * weights[1] if isinstance(network, WideAndDeep) else None
    return Contributions(
        deep=found[-words:] * weights[0],
        wide=wide,
        baseline=baseline * weights[0],
        error=error * weights[0],
        exact=abs(error) <= _tolerated(change),
    )


def integrated_gradients(
    deep: SentimentRNN | BagOfWords, x: Tensor, change: float
) -> tuple[NDArray[np.float64], float]:
    """What each token of x [1, time] adds [time], and by how much their sum misses the change of the answer."""
    method = LayerIntegratedGradients(lambda ids: deep.logits(ids)[0], deep.embedding)
    for steps in STEPS:
        found = method.attribute(x, without_words(x), n_steps=steps, internal_batch_size=BATCH_SIZE)
        added = found.detach().sum(2)[0].double().numpy()  # [time]
        error = float(added.sum()) - change
        if abs(error) <= _tolerated(change):
            break
    return added, error


@torch.no_grad()
def ngram_contributions(wide: NgramLogOdds, ids: Tensor) -> NDArray[np.float64]:
    """What each of the token ids [time] adds [time]; they add up to the path's answer.

    An n-gram that is repeated counts once, and each of its occurrences has an equal part in that.
    """
    by_order = [found[0] for found in wide.hashed(ids[None])]
    buckets = torch.cat(by_order)
    _, which, occurrences = torch.unique(buckets, return_inverse=True, return_counts=True)
    values = (wide.weight * wide.ratio)[buckets, 0].double()
    values = values / occurrences[which] / len(occurrences) ** 0.5
    added = torch.zeros(len(ids), dtype=torch.float64)
    for order, part in enumerate(values.split([len(found) for found in by_order]), start=1):
        for offset in range(order):
            added[offset : offset + len(part)] += part / order
    return added.numpy()


def _tolerated(change: float) -> float:
    return TOLERANCE * max(1.0, abs(change))
