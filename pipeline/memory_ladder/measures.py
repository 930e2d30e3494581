"""How far back a network remembers: by the gradient of its answer, and by turning the sense of one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.inference.scoring import BATCH_SIZE, Calibration, score
from pipeline.networks.build import Network, deep_part
from pipeline.networks.padding import pad

Review = NDArray[np.int32]
"""Token ids [n], n at least 1."""

OPPOSITES = (
    ("A wonderful film, one of the best I have ever seen.", "A terrible film, one of the worst I have ever seen."),
    ("I loved every minute of this brilliant movie.", "I hated every minute of this awful movie."),
    ("Excellent: superb acting and a beautiful story.", "Dreadful: horrible acting and a stupid story."),
    ("What a delightful, funny and clever movie this is!", "What a tedious, lame and pointless movie this is!"),
    ("A perfect masterpiece, highly recommended to everyone.", "A worthless disaster, not recommended to anyone."),
    ("It was great from beginning to end and I enjoyed it.", "It was bad from beginning to end and I disliked it."),
)
"""Strongly worded sentences, positive and negative, each as long as its twin."""


@dataclass(frozen=True)
class SentenceInfluence:
    """What becomes of an answer when one sentence is replaced by its opposite."""

    flip_rate: float
    """Share of (review, pair) whose label changes."""
    log_odds_change: float
    """Mean absolute change of the calibrated log-odds."""


def long_reviews(reviews: Sequence[Review], limit: int) -> list[Review]:
    """Those of at least the median length, at most `limit` of them, evenly spread over their order."""
    lengths = np.array([len(review) for review in reviews])
    rows = np.flatnonzero(lengths >= np.median(lengths))
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).round().astype(int))
    return [reviews[row] for row in rows[chosen]]


def gradient_curve(network: Network, reviews: Sequence[Review], fixed_length: int | None = None) -> NDArray[np.float64]:
    """How much the answer depends on the word t steps before the end, as the mean over the reviews.

    That is the norm of the gradient of the log-odds by the word's vector (how it vanishes or explodes over time:
    Pascanu, Mikolov & Bengio 2013, section 2), divided for each review by its sum over the steps of the curve: a
    network without memory of order gives the same share to every step.

    Args:
        network: in evaluation mode, on the CPU; its word vectors are the output of its embedding.
        reviews: at least one.
        fixed_length: as for `pipeline.networks.padding.pad`.

    Returns:
        shares [steps], from the last word backwards, as many as the shortest review has words; their sum is 1.
    """
    reviews = sorted((review[:fixed_length] for review in reviews), key=len)
    steps = len(reviews[0])
    shares = np.zeros(steps)
    for start in range(0, len(reviews), BATCH_SIZE):
        ids, lengths = pad(reviews[start : start + BATCH_SIZE], fixed_length)
        norms = _gradient_norms(network, ids, lengths)  # [batch, time]
        ends = np.full(len(ids), ids.shape[1]) if lengths is None else lengths.numpy()
        for row, end in zip(norms, ends, strict=True):
            curve = row[end - steps : end][::-1]
            shares += curve / max(curve.sum(), np.finfo(np.float64).tiny)
    return shares / len(reviews)


def farther_half(curve: NDArray[np.float64]) -> float:
    """The share of a gradient curve that lies in the half of its steps farther from the end."""
    return float(curve[(len(curve) + 1) // 2 :].sum() / curve.sum())


def replace_sentence(
    network: Network,
    reviews: Sequence[Review],
    pairs: Sequence[tuple[Review, Review]],
    *,
    calibration: Calibration,
    fixed_length: int | None = None,
    at_end: bool = False,
) -> SentenceInfluence:
    """Open every review with each positive sentence, then with its negative twin instead, and compare the answers.

    Args:
        network: in evaluation mode, on the CPU.
        reviews: at least one.
        pairs: the sentences, positive and negative.
        calibration: how its log-odds become an answer.
        fixed_length: as for `pipeline.networks.padding.pad`.
        at_end: close the reviews with the sentences instead: what the network makes of them without any distance.
    """

    def log_odds(sentences: Sequence[Review]) -> NDArray[np.float32]:
        parts = [(review, sentence) if at_end else (sentence, review) for sentence in sentences for review in reviews]
        return score(network, [np.concatenate(part) for part in parts], fixed_length)

    positive, negative = (log_odds(sentences) for sentences in zip(*pairs, strict=True))
    said_positive, said_negative = (
        calibration.probabilities(logits) >= calibration.threshold for logits in (positive, negative)
    )
    change = np.abs(positive - negative).mean() / calibration.temperature
    return SentenceInfluence(float((said_positive != said_negative).mean()), float(change))


def _gradient_norms(network: Network, ids: Tensor, lengths: Tensor | None) -> NDArray[np.float64]:
    """Norm of the gradient of each review's log-odds by each of its word vectors [batch, time]."""
    vectors: list[Tensor] = []
    hook = deep_part(network).embedding.register_forward_hook(lambda _module, _input, output: vectors.append(output))
    try:
        logits, _ = network.logits(ids, None, lengths)
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(logits.sum(), vectors)  # [batch, time, embedding]
    norms: NDArray[np.float64] = gradient.double().norm(dim=2).numpy()
    return norms
