"""Attribution: the contribution of each word of a review to the target of its explanation, such as log-odds.

The baseline is a review of as many unknown words: what a network predicts without reading anything. Word dropout
(`word_dropout`) replaces words by the unknown word at random in training, so the network has learned what it means.

The deep path is attributed by integrated gradients (Sundararajan, Taly & Yan 2017): gradients with respect to the
vectors that the network reads, averaged along the straight line from those of the unknown words to the real ones. They
add up to the change of the prediction, except for an error of the numerical integration, which is measured. Region
vectors are made of a sum over n-grams; the contribution of each n-gram is divided evenly among its words. The same
holds for the wide path, which is such a sum itself, so that its attributions are exact; its baseline is a review
without n-grams.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from pipeline.explain.target import Target
from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.build import Network, deep_path
from pipeline.networks.excerpt import excerpt
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.text.vocabulary import PADDING, UNKNOWN

STEPS = (64, 128, 256, 512)
"""Numbers of integration points, tried in turn until the error is within the tolerance."""
TOLERANCE = 0.01
"""Largest error, as a share of the change of the target, or of 1 where the change is smaller than that.

The change is that of the whole prediction, which people see: its two paths may move far in opposite directions.
"""
POINTS_PER_BATCH = 64


@dataclass(frozen=True)
class Attribution:
    """Attributions of the words of one review."""

    deep: NDArray[np.float64]
    """Attribution of each word [n] by the deep path."""
    wide: NDArray[np.float64] | None
    """Attribution of each word [n] by the n-grams it is in; None for a network without a wide path."""
    left_out: float
    """Attribution by the n-grams of all words that the deep path does not read."""
    baseline: NDArray[np.float64]
    """Outputs [outputs] for a review of as many unknown words, without n-grams."""


def within_tolerance(error: float, change: float) -> bool:
    """Return True if the words add up well enough to the change of the target of the whole prediction."""
    return abs(error) <= TOLERANCE * max(1.0, abs(change))


def without_words(x: Tensor) -> Tensor:
    """Return token ids [batch, time] with every word replaced by the unknown word; padding stays padding."""
    return x.where(x == PADDING, UNKNOWN)


def attribute(network: Network, x: Tensor, steps: NDArray[np.int64], target: Target) -> Attribution:
    """Attribute the target for one review to its words.

    Args:
        network: in evaluation mode.
        x: token ids [1, time], padded on the left where the network has a fixed length.
        steps: index from the first id that is no padding of each word [n] that the deep path reads.
        target: what is attributed.
    """
    deep = deep_path(network)
    deep_weight, wide_weight = network.path_weights.tolist() if isinstance(network, WideAndDeep) else (1.0, 0.0)
    wide, left_out, deep_share = None, 0.0, deep_weight / target.temperature
    with torch.no_grad():
        unread = deep.logits(without_words(x))[0]
        deep_change = target.of(deep.logits(x)[0]).item() - target.of(unread).item()
        baseline, change = unread[0].double().numpy() * deep_weight, deep_change * deep_share
        if isinstance(network, WideAndDeep):
            no_ngrams = network.wide.thresholds(network.wide.bias[None])
            baseline = baseline + no_ngrams[0].double().numpy() * wide_weight
            whole = attribute_ngrams(network.wide, x[0], target) * wide_weight / target.temperature
            change += whole.sum()
            wide = whole[steps]
            left_out = float(whole.sum() - wide.sum())
    for parts in integrated_gradients(deep, excerpt(x, None, deep.max_length)[0], target):
        error = float(parts.sum()) - deep_change
        # the attribution by this path is also shown on its own
        if within_tolerance(error, deep_change) and within_tolerance(error * deep_share, change):
            break
    return Attribution(parts[-len(steps) :] * deep_share, wide, left_out, baseline)


def integrated_gradients(deep: SentimentRNN | BagOfWords, x: Tensor, target: Target) -> Iterator[NDArray[np.float64]]:
    """Yield the attribution [time] of each token of x [1, time], computed with more and more points.

    It is that for the target before it is divided by its temperature.
    """
    method = IntegratedGradients(lambda vectors: target.of(deep.read(vectors)[0]), multiply_by_inputs=False)
    with torch.no_grad():
        vectors, unread = deep.embed(x), deep.embed(without_words(x))
    for steps in STEPS:
        gradients = method.attribute(vectors, unread, n_steps=steps, internal_batch_size=POINTS_PER_BATCH).detach()
        yield _parts_of_words(deep, x, gradients, vectors - unread)


@torch.no_grad()
def _parts_of_words(
    deep: SentimentRNN | BagOfWords, x: Tensor, gradients: Tensor, change: Tensor
) -> NDArray[np.float64]:
    """Return the contribution [time] of each word to the scalar product of gradients and the change of the vectors.

    Args:
        deep: the network.
        x: token ids [1, time].
        gradients: with respect to the vectors [1, time, vector].
        change: of the vectors [1, time, vector].
    """
    regions = deep.regions if isinstance(deep, SentimentRNN) else None
    size = deep.embedding.embedding_dim
    parts = (gradients * change)[0, :, :size].sum(1).double()
    if regions is not None:
        parts += regions.parts_of_words(x, gradients[:, :, size:])[0]
    return parts.numpy()


@torch.no_grad()
def attribute_ngrams(wide: NgramLogOdds, ids: Tensor, target: Target) -> NDArray[np.float64]:
    """Return the attribution [time] of token ids [time]; it adds up to the target of the wide path's sums.

    A repeated n-gram counts once, and its occurrences share that equally.
    """
    by_order = [buckets[0] for buckets in wide.hashed(ids[None])]
    buckets = torch.cat(by_order)
    _, distinct, occurrences = torch.unique(buckets, return_inverse=True, return_counts=True)
    values = target.of((wide.weight[buckets] * wide.ratio[buckets]).double())
    values = values / occurrences[distinct] / len(occurrences) ** 0.5
    parts = torch.zeros(len(ids), dtype=torch.float64)
    for order, ngrams in enumerate(values.split([len(buckets) for buckets in by_order]), start=1):
        for offset in range(order):
            parts[offset : offset + len(ngrams)] += ngrams / order
    return parts.numpy()
