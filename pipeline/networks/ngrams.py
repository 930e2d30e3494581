"""Wide path: outputs from the n-grams that a review contains."""

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding

from pipeline.networks.likelihood import LOGISTIC, Likelihood
from pipeline.networks.negation import NegationScope
from pipeline.networks.padding import pad

PRIME = 2**31 - 1
MULTIPLIER = 1_000_003
COUNTING_BATCH = 256
MIN_CLASS_SHARE = 1e-3
"""Minimum share of the reviews assumed for a class: with less, its few n-grams would count for too much."""
MIN_BITS = 10
MAX_WEIGHTS = 2**24
"""Maximum number of buckets of all columns together, as the configuration allows for one: 64 MB of weights."""


class Reviews(Protocol):
    """Token ids of reviews, read one review at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.int32]:
        """Return the token ids [n] of one review."""


class NgramLogOdds(nn.Module):
    """Log-odds as a weighted sum over the distinct n-grams of a review (Wang & Manning 2012, section 2).

    Each n-gram contributes its naive Bayes log-count ratio times a trained weight; the sum is divided by the square
    root of the number of n-grams, and a bias is added, the log-odds of the class. N-grams are hashed into buckets, so
    that no list of them is needed (Weinberger et al. 2009); n-grams in one bucket share a weight. With several columns,
    each has ratios, weights and a bias of its own.

    Args:
        orders: maximum length of an n-gram, in words.
        bits: hash buckets, as a power of two: 2**bits; fewer where all columns together would exceed `MAX_WEIGHTS`.
        likelihood: meaning of the outputs; by default that of two classes.
        negation: finds the words in the scope of a negation, which count as words of their own; None: they do not.
    """

    ratio: Tensor
    bias: Tensor

    def __init__(
        self, orders: int, bits: int, likelihood: Likelihood = LOGISTIC, negation: NegationScope | None = None
    ) -> None:
        super().__init__()
        self.orders = orders
        self.negation = negation
        self.buckets = max(2**MIN_BITS, min(2**bits, 2 ** int(math.log2(MAX_WEIGHTS / likelihood.columns))))
        self.weight = nn.Parameter(torch.zeros(self.buckets, likelihood.columns))
        self.register_buffer("ratio", torch.zeros(self.buckets, likelihood.columns))
        self.register_buffer("bias", torch.zeros(likelihood.columns))
        self.likelihood, self.thresholds = likelihood, likelihood.output_layer()

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return outputs [batch, outputs] for token ids x [batch, time], padded on the right; lengths [batch]."""
        buckets, present = self.features(x, lengths)  # [batch, slots]
        values = embedding(buckets, self.weight) * embedding(buckets, self.ratio)  # [batch, slots, columns]
        counted = present.sum(1, keepdim=True)
        sums = (values.transpose(1, 2) * present[:, None]).sum(2) / counted.clamp(min=1).sqrt()
        outputs: Tensor = self.thresholds(sums + self.bias)
        return outputs

    def features(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bucket of every n-gram [batch, slots], and whether it counts: padding and repetitions do not."""
        steps = torch.arange(x.shape[1], device=x.device)
        # the position of an n-gram is that of its last word; one that ends in the padding gets a bucket beyond the last
        buckets = [
            hashes.masked_fill(steps[order:] >= lengths[:, None], self.buckets)
            for order, hashes in enumerate(self.hashed(x))
        ]
        sorted_buckets = _sorted(torch.cat(buckets, dim=1))
        repeated = torch.zeros_like(sorted_buckets, dtype=torch.bool)
        repeated[:, 1:] = sorted_buckets[:, 1:] == sorted_buckets[:, :-1]
        present = ~repeated & (sorted_buckets < self.buckets)
        return sorted_buckets.masked_fill(~present, 0), present

    def hashed(self, x: Tensor) -> list[Tensor]:
        """Return the buckets of all n-grams of x [batch, time], for n = 1, 2, …: each [batch, time - n + 1]."""
        x = x.long()
        if self.negation is not None:
            x = torch.where(self.negation(x), -x, x)
        value, buckets = x, []
        for order in range(1, min(self.orders, x.shape[1]) + 1):
            if order > 1:
                value = (value[:, :-1] * MULTIPLIER + x[:, order - 1 :]) % PRIME
            buckets.append((value * MULTIPLIER + order) % PRIME % self.buckets)
        return buckets

    def batches(self, reviews: Reviews) -> Iterator[tuple[range, Tensor, Tensor]]:
        """Yield the rows of a few reviews at a time, and what `features` returns for these."""
        for start in range(0, len(reviews), COUNTING_BATCH):
            rows = range(start, min(start + COUNTING_BATCH, len(reviews)))
            ids, lengths = pad([reviews[row] for row in rows], None)
            assert lengths is not None
            yield rows, *self.features(ids, lengths)

    @torch.no_grad()
    def count(self, reviews: Reviews, labels: NDArray[np.int8], weights: NDArray[np.float32] | None = None) -> None:
        """Set the log-count ratios from the training reviews, and the bias from the shares of the classes.

        The ratio of an n-gram is log((p + 1) / (q + 1)), where p and q count the reviews that contain it and belong to
        the column, or do not (of two classes, the positive and the negative ones), scaled as if there were equally many
        of both: otherwise an uninformative n-gram would favour the larger side. A bucket without an n-gram of a
        training review keeps 0.

        Args:
            reviews: token ids of each review.
            labels: class index of each review [n].
            weights: weight of each review [n]; None: 1.
        """
        counts = torch.zeros(self.likelihood.classes, self.buckets, dtype=torch.float64)
        reviews_of = torch.from_numpy(np.bincount(labels, weights, minlength=len(counts)).astype(np.float64))
        for batch, buckets, present in self.batches(reviews):
            counted = present.double()
            if weights is not None:
                counted *= torch.from_numpy(weights[batch])[:, None]
            rows = torch.from_numpy(labels[batch].astype(np.int64))[:, None]
            counts.view(-1).scatter_add_(0, (rows * self.buckets + buckets).ravel(), counted.ravel())
        of_column = torch.from_numpy(self.likelihood.column_shares())  # [columns, classes]
        share = (of_column @ (reviews_of / reviews_of.sum())).clamp(MIN_CLASS_SHARE, 1 - MIN_CLASS_SHARE)  # [columns]
        self.bias.copy_(self.likelihood.link(share))
        counted_for, counted_against = (
            (side @ counts / (2 * part[:, None]) + 1).log()
            for side, part in ((of_column, share), (1 - of_column, 1 - share))
        )
        self.ratio.copy_(((counted_for - counted_against) * (counts.sum(0) > 0)).T)


def _sorted(buckets: Tensor) -> Tensor:
    """Sort each row of buckets [batch, slots], below 2**31; on the CPU by numpy, which is several times as fast."""
    if buckets.device.type != "cpu":
        return buckets.sort(dim=1).values
    return torch.from_numpy(np.sort(buckets.int().numpy(), axis=1))
