"""Adversarial and virtual adversarial perturbations of word vectors (Miyato, Dai & Goodfellow 2017)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

EPSILON = 1e-12
"""Smallest norm that a gradient is divided by."""


def steepest_direction(logits: Tensor, vectors: Tensor, scale: Tensor) -> Tensor:
    """Return the perturbation of norm 1 of each review's word vectors that raises its log-odds most.

    Norms are taken of the vectors divided by `scale`, so that a network cannot weaken the perturbation by growing its
    word vectors (section 3, equation 1).

    With log-odds z and their gradient g, the loss of a positive review rises most along -g and that of a negative
    review along g (equation 6). For the virtual adversarial perturbation the paper iterates towards the dominant
    eigenvector of the Hessian of the divergence. With a single output that Hessian is p (1 - p) g gᵀ, whose only
    direction is g or -g, so no iteration is needed.

    Args:
        logits: log-odds [batch], computed from `vectors`.
        vectors: word vectors [batch, time, embedding].
        scale: standard deviation [embedding] of each component over running words.

    Returns:
        perturbation [batch, time, embedding], detached from the graph.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), vectors, retain_graph=True)
    gradient = gradient.float() * scale
    norm = gradient.flatten(1).norm(dim=1).clamp(min=EPSILON)
    direction: Tensor = gradient / norm[:, None, None] * scale
    return direction


def running_word_scale(embedding: Tensor, ids: Tensor) -> Tensor:
    """Return the standard deviation [embedding] of the vectors of all words in a batch.

    Words count as often as they occur, as in the paper's normalisation by frequency. A single word has no deviation: 0.

    Args:
        embedding: word vectors [words, embedding].
        ids: token ids [batch, time], 0 for padding.
    """
    return embedding.detach()[ids[ids > 0]].std(dim=0).nan_to_num()


def kl_divergence(logits: Tensor, other: Tensor) -> Tensor:
    """Return the mean over reviews of KL(p ‖ q) for log-odds [batch] of p and `other` [batch] of q; p is detached."""
    target = torch.sigmoid(logits.detach())
    entropy = binary_cross_entropy_with_logits(logits.detach(), target)
    return binary_cross_entropy_with_logits(other, target) - entropy
