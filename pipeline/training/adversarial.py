"""Small changes of the word vectors that move the answer most (Miyato, Dai & Goodfellow 2017)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

TINY = 1e-12


def steepest(logits: Tensor, vectors: Tensor, scale: Tensor) -> Tensor:
    """The change of each review's word vectors, of norm 1, that raises its log-odds most.

    Norms are those of vectors normalised by `scale`, so that a network cannot escape a perturbation by growing its
    vectors (section 3, equation 1).

    With log-odds z and their gradient g, the loss of a labelled review is steepest along -g where it is positive and
    along g where it is not (equation 6). For a virtual perturbation the paper iterates towards the dominant
    eigenvector of the divergence's Hessian; with one output that Hessian is p (1 - p) g gᵀ, so its only direction is
    g, or -g, and nothing needs iterating.

    Args:
        logits: log-odds [batch], computed from `vectors`.
        vectors: word vectors [batch, time, embedding].
        scale: standard deviation of each component over running words [embedding].

    Returns:
        [batch, time, embedding], no part of the graph.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), vectors, retain_graph=True)
    gradient = gradient.float() * scale
    norm = gradient.flatten(1).norm(dim=1).clamp(min=TINY)
    change: Tensor = gradient / norm[:, None, None] * scale
    return change


def running_word_scale(embedding: Tensor, ids: Tensor) -> Tensor:
    """Standard deviation [embedding] of the vectors of the words in a batch: ids [batch, time], 0 for padding.

    Words count as often as they occur, as in the paper's normalisation by frequency. A single word has none: 0.
    """
    return embedding.detach()[ids[ids > 0]].std(dim=0).nan_to_num()


def divergence(logits: Tensor, other: Tensor) -> Tensor:
    """Mean over reviews of KL(p ‖ q), where p has the log-odds [batch] and q the `other`; p is no part of the graph."""
    target = torch.sigmoid(logits.detach())
    entropy = binary_cross_entropy_with_logits(logits.detach(), target)
    return binary_cross_entropy_with_logits(other, target) - entropy
