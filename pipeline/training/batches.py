"""Batches of reviews, as networks are trained and validated on them."""

from typing import NamedTuple

from torch import Tensor

from pipeline.networks.excerpt import excerpt


class ReviewBatch(NamedTuple):
    """Reviews of a batch, without labels."""

    ids: Tensor
    """Token ids [batch, time]."""
    lengths: Tensor | None
    """Tokens of each review [batch]; None where padding is part of the input."""
    weight: float = 1.0
    """See `LabelledBatch.weight`."""

    @property
    def size(self) -> int:
        """Number of reviews in the batch that count."""
        return len(self.ids) if self.weight else 0

    def excerpt(self, limit: int | None) -> "ReviewBatch":
        """Return an excerpt of each review: see `pipeline.networks.excerpt`."""
        ids, lengths = excerpt(self.ids, self.lengths, limit)
        return self._replace(ids=ids, lengths=lengths)


class LabelledBatch(NamedTuple):
    """Reviews and labels that one step trains or validates on."""

    reviews: ReviewBatch
    labels: Tensor
    """Class indices [batch]."""
    unlabelled: ReviewBatch | None = None
    loss_weights: Tensor | None = None
    """Weight of the loss of each review [batch]; None where all are 1."""

    @property
    def size(self) -> int:
        """Number of labelled reviews in the batch that count."""
        return self.reviews.size

    @property
    def weight(self) -> float:
        """Factor of this process's means in the mean over the whole batch; 0 for rows that do not count."""
        return self.reviews.weight
