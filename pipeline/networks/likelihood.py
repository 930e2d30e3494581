"""Likelihood of the classes: the probabilities that a network's outputs stand for, and their loss.

Two classes share one output, the log-odds of the second (logistic regression); more have an output each (softmax).
Classes in an order share one score and differ in thresholds, the cumulative logits: output k is the
log-odds that the class index is above k (McCullagh 1980, Regression Models for Ordinal Data, section 2).
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid, softplus

MIN_GAP = 1e-6
"""Smallest difference of two thresholds; in float32 they could meet, and no class would be left between them."""


class Likelihood(Protocol):
    """Meaning of a network's outputs."""

    classes: int
    columns: int
    """Number of sums of features that a network computes for each review."""
    outputs: int
    """Number of outputs that `output_layer` computes from them."""

    def output_layer(self) -> nn.Module:
        """Return a new module from the columns [batch, columns] to the outputs [batch, outputs]."""

    def loss(self, outputs: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of outputs [batch, outputs] and class indices [batch].

        Each cross-entropy is multiplied by its weight [batch]; None: by 1. The sum is divided by the number of reviews,
        not by the sum of the weights: equal weights would cancel.
        """

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Return the logarithm of the probability of each class [batch, classes]."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the output of a network's `forward`: the probability of each class; of two, only of the second."""

    def column_shares(self) -> NDArray[np.float64]:
        """Return the share of a review of each class that counts for each column [columns, classes].

        The rest of the review counts against it.
        """

    def link(self, shares: Tensor) -> Tensor:
        """Return the columns [columns] for shares [columns] of the reviews, which are summed from `column_shares`."""


class Logistic:
    """Two classes: the output is the log-odds of the second."""

    classes, columns, outputs = 2, 1, 1

    def output_layer(self) -> nn.Module:
        """The column is the output."""
        return nn.Identity()

    def loss(self, outputs: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the binary cross-entropy."""
        return binary_cross_entropy_with_logits(outputs[:, 0], labels.float(), weights)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Return the log-probabilities of both classes."""
        return torch.cat([logsigmoid(-outputs), logsigmoid(outputs)], dim=1)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the probability [batch] of the second class."""
        return torch.sigmoid(outputs[:, 0])

    def column_shares(self) -> NDArray[np.float64]:
        """Reviews of the second class count for the only column, those of the first against it."""
        return np.array([[0.0, 1.0]])

    def link(self, shares: Tensor) -> Tensor:
        """The column is a log-odds."""
        return shares.logit()


LOGISTIC = Logistic()


class Softmax:
    """Several classes: an output each."""

    def __init__(self, classes: int) -> None:
        self.classes = self.columns = self.outputs = classes

    def output_layer(self) -> nn.Module:
        """The columns are the outputs."""
        return nn.Identity()

    def loss(self, outputs: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the cross-entropy."""
        return _weighted_mean(cross_entropy(outputs, labels, reduction="none"), weights)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Return the log-probabilities."""
        return outputs.log_softmax(dim=1)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the probability of each class [batch, classes]."""
        return outputs.softmax(dim=1)

    def column_shares(self) -> NDArray[np.float64]:
        """There is a column for each class; reviews of all other classes count against it."""
        return np.eye(self.classes)

    def link(self, shares: Tensor) -> Tensor:
        """The columns are logarithms of probabilities, up to a number that all share."""
        return shares.log()


class CumulativeLogits:
    """Several ordered classes: output k is the log-odds that the class index is above k; the outputs decrease."""

    def __init__(self, classes: int) -> None:
        self.classes, self.columns, self.outputs = classes, 1, classes - 1

    def output_layer(self) -> nn.Module:
        """The column is a score, which gets thresholds."""
        return Thresholds(self.classes)

    def loss(self, outputs: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the cross-entropy."""
        return _weighted_mean(-self.log_probabilities(outputs).gather(1, labels[:, None])[:, 0], weights)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Return the log-probabilities; log(sigmoid(a) - sigmoid(b)) is written without cancellation.

        Outputs that do not decrease, which a fit of their biases may try, make the class between them almost
        impossible: the others share the probability.
        """
        gaps = (outputs[:, :-1] - outputs[:, 1:]).clamp(min=MIN_GAP)
        between = logsigmoid(outputs[:, :-1]) + logsigmoid(-outputs[:, 1:]) + (-torch.expm1(-gaps)).log()
        return torch.cat([logsigmoid(-outputs[:, :1]), between, logsigmoid(outputs[:, -1:])], dim=1).log_softmax(dim=1)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the probability of each class [batch, classes]."""
        return self.log_probabilities(outputs).exp()

    def column_shares(self) -> NDArray[np.float64]:
        """The higher the class of a review, the larger its share for the only column."""
        return np.linspace(0, 1, self.classes)[None]

    def link(self, shares: Tensor) -> Tensor:
        """The column is a log-odds."""
        return shares.logit()


def build_likelihood(classes: int, ordered: bool) -> Likelihood:
    """Return the likelihood for a number of classes; `ordered`: their order means something."""
    if classes == 2:
        return LOGISTIC
    return CumulativeLogits(classes) if ordered else Softmax(classes)


def _weighted_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses.mean() if weights is None else (losses * weights).mean()


class Thresholds(nn.Module):
    """Cumulative logits from one score: trained thresholds that stay in order.

    Args:
        classes: number of classes. Initially, all are equally probable for a score of 0.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        above = 1 - torch.arange(1, classes) / classes
        highest, gaps = above.logit()[:1], -above.logit().diff()
        self.weight = nn.Parameter(torch.cat([highest, gaps.expm1().log()]))  # inverse of softplus

    def forward(self, score: Tensor) -> Tensor:
        """Return decreasing logits [batch, classes - 1] for scores [batch, 1]."""
        below = (softplus(self.weight[1:]) + MIN_GAP).cumsum(0)
        return score + self.weight[0] - torch.cat([below.new_zeros(1), below])
