"""Wide path: log-odds from the n-grams that a review contains."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding

from pipeline.networks.padding import pad

PRIME = 2**31 - 1
MULTIPLIER = 1_000_003
COUNTING_BATCH = 256


class NgramLogOdds(nn.Module):
    """Log-odds as a weighted sum over the distinct n-grams of a review (Wang & Manning 2012, section 2).

    Each n-gram contributes its naive Bayes log-count ratio times a trained weight; the sum is divided by the square
    root of the number of n-grams. N-grams are hashed into buckets, so that no list of them is needed (Weinberger et
    al. 2009); n-grams in one bucket share a weight.

    Args:
        orders: longest n-gram, in words.
        bits: hash buckets, as a power of two: 2**bits.
    """

    ratio: Tensor

    def __init__(self, orders: int, bits: int) -> None:
        super().__init__()
        self.orders, self.buckets = orders, 2**bits
        self.weight = nn.Parameter(torch.zeros(self.buckets, 1))
        self.register_buffer("ratio", torch.zeros(self.buckets, 1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return log-odds [batch] of token ids x [batch, time], padded on the right; lengths [batch]."""
        buckets, present = self.features(x, lengths)  # [batch, slots]
        values = embedding(buckets, self.weight) * embedding(buckets, self.ratio)
        counted = present.sum(1)
        return (values.squeeze(2) * present).sum(1) / counted.clamp(min=1).sqrt()

    def features(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bucket of every n-gram [batch, slots], and whether it counts: padding and repetitions do not."""
        steps = torch.arange(x.shape[1], device=x.device)
        # the position of an n-gram is that of its last word; one that ends in the padding gets a bucket beyond the last
        buckets = [
            hashes.masked_fill(steps[order:] >= lengths[:, None], self.buckets)
            for order, hashes in enumerate(self.hashed(x))
        ]
        sorted_buckets = torch.cat(buckets, dim=1).sort(dim=1).values
        repeated = torch.zeros_like(sorted_buckets, dtype=torch.bool)
        repeated[:, 1:] = sorted_buckets[:, 1:] == sorted_buckets[:, :-1]
        present = ~repeated & (sorted_buckets < self.buckets)
        return sorted_buckets.masked_fill(~present, 0), present

    def hashed(self, x: Tensor) -> list[Tensor]:
        """Return the buckets of all n-grams of x [batch, time], for n = 1, 2, …: each [batch, time - n + 1]."""
        x = x.long()
        value, buckets = x, []
        for order in range(1, min(self.orders, x.shape[1]) + 1):
            if order > 1:
                value = (value[:, :-1] * MULTIPLIER + x[:, order - 1 :]) % PRIME
            buckets.append((value * MULTIPLIER + order) % PRIME % self.buckets)
        return buckets

    @torch.no_grad()
    def count(self, reviews: Sequence[NDArray[np.int32]], labels: NDArray[np.int8]) -> None:
        """Set the log-count ratios from the training reviews.

        The ratio of an n-gram is log((p + 1) / |p + 1|) - log((q + 1) / |q + 1|), where p and q count the positive and
        the negative reviews that contain it. A bucket without an n-gram of a training review keeps 0.

        Args:
            reviews: token ids of each review.
            labels: 0 or 1 for each review [n].
        """
        counts = torch.zeros(2, self.buckets, dtype=torch.float64)
        for start in range(0, len(reviews), COUNTING_BATCH):
            ids, lengths = pad(reviews[start : start + COUNTING_BATCH], None)
            assert lengths is not None
            buckets, present = self.features(ids, lengths)
            for label in (0, 1):
                rows = torch.from_numpy(labels[start : start + COUNTING_BATCH] == label)
                filled = buckets[rows][present[rows]]
                counts[label] += torch.bincount(filled, minlength=self.buckets)
        smoothed = counts + 1
        ratio = (smoothed / smoothed.sum(1, keepdim=True)).log()
        self.ratio.copy_(((ratio[1] - ratio[0]) * (counts.sum(0) > 0))[:, None])
