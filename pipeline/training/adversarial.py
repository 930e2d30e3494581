"""Adversarial and virtual adversarial perturbations of word vectors (Miyato, Dai & Goodfellow 2017)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.networks.likelihood import Likelihood

EPSILON = 1e-12
"""Smallest norm that a gradient is divided by."""


class Perturbations:
    """Perturbations of norm 1 of reviews' word vectors, in directions that change the network's outputs most.

    Args:
        likelihood: that of the network.
        outputs: computed from `vectors` [batch, outputs].
        vectors: word vectors [batch, time, embedding].
        scale: as for `steepest_direction`.
    """

    def __init__(self, likelihood: Likelihood, outputs: Tensor, vectors: Tensor, scale: Tensor) -> None:
        self._likelihood, self._outputs, self._vectors, self._scale = likelihood, outputs, vectors, scale
        # the log-probabilities of two classes rise and fall along one direction
        self._only = steepest_direction(outputs[:, 0], vectors, scale) if likelihood.classes == 2 else None

    def adversarial(self, labels: Tensor) -> Tensor:
        """Return the perturbations that raise the loss of the labels [batch] most (equation 6)."""
        if self._only is not None:
            return (1 - 2 * labels)[:, None, None] * self._only
        return -self._toward(labels)

    def virtual(self) -> Tensor:
        """Return perturbations that change the probabilities most.

        The paper iterates from a random start towards the dominant eigenvector of the Hessian of the divergence. That
        Hessian is the covariance of the gradient of a log-probability, over classes drawn from the model's answer: the
        gradient of one drawn class is as good as an iteration from a random start. With two classes it has one
        direction, up to the sign.
        """
        sign = torch.randint(0, 2, (len(self._vectors), 1, 1), device=self._vectors.device) * 2 - 1
        if self._only is not None:
            return sign * self._only
        probabilities = self._likelihood.log_probabilities(self._outputs.detach()).exp()
        return sign * self._toward(torch.multinomial(probabilities, 1)[:, 0])

    def _toward(self, classes: Tensor) -> Tensor:
        log_probabilities = self._likelihood.log_probabilities(self._outputs).gather(1, classes[:, None])[:, 0]
        return steepest_direction(log_probabilities, self._vectors, self._scale)


def steepest_direction(values: Tensor, vectors: Tensor, scale: Tensor) -> Tensor:
    """Return the perturbation of norm 1 of each review's word vectors that raises a value of it most.

    Norms are taken of the vectors divided by `scale`, so that a network cannot weaken the perturbation by growing its
    word vectors (section 3, equation 1).

    Args:
        values: a number for each review [batch], computed from `vectors`.
        vectors: word vectors [batch, time, embedding].
        scale: standard deviation [embedding] of each component over running words.

    Returns:
        perturbation [batch, time, embedding], detached from the graph.
    """
    (gradient,) = torch.autograd.grad(values.sum(), vectors, retain_graph=True)
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


def kl_divergence(likelihood: Likelihood, outputs: Tensor, other: Tensor) -> Tensor:
    """Return the mean of KL(p ‖ q) for outputs [batch, outputs] of p and `other` of q; p is detached."""
    if likelihood.classes == 2:
        target = torch.sigmoid(outputs.detach())
        entropy = binary_cross_entropy_with_logits(outputs.detach(), target)
        return binary_cross_entropy_with_logits(other, target) - entropy
    log_p = likelihood.log_probabilities(outputs.detach())
    return (log_p.exp() * (log_p - likelihood.log_probabilities(other))).sum(1).mean()
