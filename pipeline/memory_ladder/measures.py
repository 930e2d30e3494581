"""Measure the memory of a network: by the gradient of its prediction, and by replacing a sentence by its opposite."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.labels import NEGATIVE, POSITIVE
from pipeline.inference.calibration import Calibration
from pipeline.inference.scoring import BATCH_SIZE, score
from pipeline.memory_ladder.record import SentenceInfluence
from pipeline.networks.build import Network, deep_path
from pipeline.networks.excerpt import excerpt
from pipeline.networks.likelihood import Likelihood
from pipeline.networks.padding import pad
from pipeline.networks.sentiment_rnn import SentimentRNN

Review = NDArray[np.int32]
"""Token ids [n], with n at least 1."""

OPPOSITES = (
    ("A wonderful film, one of the best I have ever seen.", "A terrible film, one of the worst I have ever seen."),
    ("I loved every minute of this brilliant movie.", "I hated every minute of this awful movie."),
    ("Excellent: superb acting and a beautiful story.", "Dreadful: horrible acting and a stupid story."),
    ("What a delightful, funny and clever movie this is!", "What a tedious, lame and pointless movie this is!"),
    ("A perfect masterpiece, highly recommended to everyone.", "A worthless disaster, not recommended to anyone."),
    ("It was great from beginning to end and I enjoyed it.", "It was bad from beginning to end and I disliked it."),
)
"""Pairs of strongly worded sentences, positive and negative, of the same number of tokens."""


def long_reviews(reviews: Sequence[Review], limit: int) -> list[Review]:
    """Choose reviews of at least the median length, at most `limit` of them, spread evenly over their order."""
    lengths = np.array([len(review) for review in reviews])
    rows = np.flatnonzero(lengths >= np.median(lengths))
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).round().astype(int))
    return [reviews[row] for row in rows[chosen]]


def gradient_curve(network: Network, reviews: Sequence[Review], fixed_length: int | None = None) -> NDArray[np.float64]:
    """Compute the gradient of the prediction by the word t steps before the end, as the mean over the reviews.

    For each review it is the norm of the gradient of the log-odds by the word's vector, divided by the sum of the norms
    over the steps of the curve. Of more than two classes they are the log-odds of the predicted class, of classes in an
    order their common score; a constant factor, such as a temperature, changes no share. A network that ignores the
    order of words gives the same share to every step. For vanishing and exploding gradients see Pascanu, Mikolov &
    Bengio 2013, section 2.

    Args:
        network: in evaluation mode, on the CPU; its word vectors are the output of its embedding.
        reviews: at least one.
        fixed_length: as for `pipeline.networks.padding.pad`.

    Returns:
        shares [steps] from the last word backwards, as many as the shortest review has words; their sum is 1.
    """
    reviews = sorted((review[:fixed_length] for review in reviews), key=len)
    limit = deep_path(network).max_length
    steps = min(len(reviews[0]), limit or len(reviews[0]))
    shares = np.zeros(steps)
    for start in range(0, len(reviews), BATCH_SIZE):
        ids, lengths = excerpt(*pad(reviews[start : start + BATCH_SIZE], fixed_length), limit)
        norms = _gradient_norms(network, ids, lengths)  # [batch, time]
        ends = np.full(len(ids), ids.shape[1]) if lengths is None else lengths.numpy()
        for row, end in zip(norms, ends, strict=True):
            curve = row[end - steps : end][::-1]
            shares += curve / max(curve.sum(), np.finfo(np.float64).tiny)
    return shares / len(reviews)


def farther_half(curve: NDArray[np.float64]) -> float:
    """Return the share of a gradient curve in the half of its steps farther from the end."""
    return float(curve[(len(curve) + 1) // 2 :].sum() / curve.sum())


def replace_sentence(
    network: Network,
    reviews: Sequence[Review],
    pairs: Sequence[tuple[Review, Review]],
    *,
    calibration: Calibration,
    class_indices: tuple[int, int] = (NEGATIVE, POSITIVE),
    fixed_length: int | None = None,
    at_end: bool = False,
) -> SentenceInfluence:
    """Add each positive sentence to every review, then its negative opposite instead, and compare the predictions.

    Of more than two classes the log-odds are those of positive against negative alone.

    Args:
        network: in evaluation mode, on the CPU.
        reviews: at least one.
        pairs: the sentences, positive and negative.
        calibration: that of the network.
        class_indices: class indices of negative and positive.
        fixed_length: as for `pipeline.networks.padding.pad`.
        at_end: add the sentences at the end, where the network needs no memory for them, instead of the start.
    """

    def outputs(sentences: Sequence[Review]) -> NDArray[np.float32]:
        parts = [(review, sentence) if at_end else (sentence, review) for sentence in sentences for review in reviews]
        return score(network, [np.concatenate(part) for part in parts], fixed_length)

    both = [outputs(sentences) for sentences in zip(*pairs, strict=True)]
    labels, opposite_labels = (calibration.rule.choose(calibration.probabilities(z)) for z in both)
    if calibration.likelihood.classes == 2:
        change = np.abs(both[0] - both[1]).mean() / calibration.temperature[0]
    else:
        positive, negative = (_log_odds(calibration, z, class_indices) for z in both)
        change = np.abs(positive - negative).mean()
    return SentenceInfluence(flip_rate=float((labels != opposite_labels).mean()), log_odds_change=float(change))


def _log_odds(
    calibration: Calibration, outputs: NDArray[np.float32], class_indices: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the calibrated log-odds [n] of the second of two classes against the first."""
    log_probabilities = calibration.likelihood.log_probabilities(torch.from_numpy(calibration.outputs(outputs)))
    negative, positive = (log_probabilities[:, index] for index in class_indices)
    difference: NDArray[np.float32] = (positive - negative).numpy()
    return difference


def _gradient_norms(network: Network, ids: Tensor, lengths: Tensor | None) -> NDArray[np.float64]:
    """Return the norm of the gradient of each review's prediction by each of its word vectors [batch, time]."""
    vectors: list[Tensor] = []
    hook = deep_path(network).embedding.register_forward_hook(lambda _module, _input, output: vectors.append(output))
    try:
        logits, _ = network.logits(ids, None, lengths)
    finally:
        hook.remove()
    log_odds = _predicted_log_odds(logits, deep_path(network).likelihood)
    (gradient,) = torch.autograd.grad(log_odds.sum(), vectors)  # [batch, time, embedding], or [time, batch, embedding]
    norms = gradient.double().norm(dim=2)
    if isinstance(deep_path(network), SentimentRNN):
        norms = norms.T  # it looks its words up one step after the other
    return np.asarray(norms)


def _predicted_log_odds(outputs: Tensor, likelihood: Likelihood) -> Tensor:
    """Return the log-odds [batch] that `gradient_curve` follows, for outputs [batch, outputs].

    The log-probability of the predicted class would give the same shares, but of a confident network no gradient.
    """
    if likelihood.columns == 1:
        return outputs[:, 0]
    chosen = outputs.argmax(dim=1, keepdim=True)
    others = outputs.scatter(1, chosen, -torch.inf).logsumexp(dim=1)
    return outputs.gather(1, chosen)[:, 0] - others
