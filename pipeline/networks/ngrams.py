"""The wide path: what the presence of words and phrases alone says of a review."""

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
    """Log-odds of a review as a weighted sum over the n-grams it contains, each once (Wang & Manning 2012, section 2).

    An n-gram counts with its naive Bayes log-count ratio times a trained weight; the sum is divided by the square root
    of the number of n-grams. N-grams are hashed into buckets, so that no list of them is
    kept (Weinberger et al. 2009); those that share a bucket share a weight.

    Args:
        orders: longest n-gram, in words.
        bits: there are 2**bits buckets.
    """

    ratio: Tensor

    def __init__(self, orders: int, bits: int) -> None:
        super().__init__()
        self.orders, self.buckets = orders, 2**bits
        self.weight = nn.Parameter(torch.zeros(self.buckets, 1))
        self.register_buffer("ratio", torch.zeros(self.buckets, 1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Log-odds [batch] of token ids x [batch, time], padded on the right, of the given lengths [batch]."""
        buckets, present = self.features(x, lengths)  # [batch, slots]
        values = embedding(buckets, self.weight) * embedding(buckets, self.ratio)
        counted = present.sum(1)
        return (values.squeeze(2) * present).sum(1) / counted.clamp(min=1).sqrt()

    def features(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The bucket of every n-gram [batch, slots], and whether it counts: padding and repetitions do not."""
        steps = torch.arange(x.shape[1], device=x.device)
        # an n-gram stands where its last word does
        buckets = [
            found.masked_fill(steps[order:] >= lengths[:, None], self.buckets)
            for order, found in enumerate(self.hashed(x))
        ]
        found = torch.cat(buckets, dim=1).sort(dim=1).values
        repeated = torch.zeros_like(found, dtype=torch.bool)
        repeated[:, 1:] = found[:, 1:] == found[:, :-1]
        present = ~repeated & (found < self.buckets)
        return found.masked_fill(~present, 0), present

    def hashed(self, x: Tensor) -> list[Tensor]:
        """The bucket of every n-gram of token ids x [batch, time], for n = 1, 2, …: each [batch, time - n + 1]."""
        x = x.long()
        value, buckets = x, []
        for order in range(1, min(self.orders, x.shape[1]) + 1):
            if order > 1:
                value = (value[:, :-1] * MULTIPLIER + x[:, order - 1 :]) % PRIME
            buckets.append((value * MULTIPLIER + order) % PRIME % self.buckets)
        return buckets

    @torch.no_grad()
    def count(self, reviews: Sequence[NDArray[np.int32]], labels: NDArray[np.int8]) -> None:
        """Set the log-count ratios from training reviews: token ids of each, and 0 or 1 for each [n].

        A ratio is log((p + 1) / |p + 1|) - log((q + 1) / |q + 1|), where p and q count the positive and the negative
        reviews that hold the n-gram; buckets no training review fills keep 0.
        """
        counts = torch.zeros(2, self.buckets, dtype=torch.float64)
        for start in range(0, len(reviews), COUNTING_BATCH):
            ids, lengths = pad(reviews[start : start + COUNTING_BATCH], None)
            assert lengths is not None
            buckets, present = self.features(ids, lengths)
            for label in (0, 1):
                rows = torch.from_numpy(labels[start : start + COUNTING_BATCH] == label)
                found = buckets[rows][present[rows]]
                counts[label] += torch.bincount(found, minlength=self.buckets)
        smoothed = counts + 1
        ratio = (smoothed / smoothed.sum(1, keepdim=True)).log()
        self.ratio.copy_(((ratio[1] - ratio[0]) * (counts.sum(0) > 0))[:, None])
