"""Regression on n-grams: their weights at the optimum, for trainings with few reviews."""

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.likelihood import Likelihood
from pipeline.networks.ngrams import NgramLogOdds, Reviews
from pipeline.training.training_reviews import TrainingReviews

RIDGE_C = 100.0
"""C, the inverse strength of the ridge penalty: docs/small-data.md says how it was chosen."""
MAX_ITERATIONS = 500
OPTIMUM_TOLERANCE = 1e-8
"""Change of the loss, and largest entry of its gradient, at which the optimum is reached."""


def fit_ngrams(wide: NgramLogOdds, reviews: TrainingReviews, likelihood: Likelihood) -> None:
    """Set weights and bias of n-grams whose ratios are counted to those with the lowest loss; train them no further.

    The loss is that of a training, the mean over the reviews, and a ridge penalty |w|² / (2 C n) on the weights. With a
    few hundred reviews the steps of a training end far from its optimum, above all where one class prevails.

    Args:
        wide: n-grams; their `count` has been called with the same reviews.
        reviews: the reviews to train on, a few thousand (`fitted_by_regression`): all are in memory.
        likelihood: that of the network.
    """
    seen, features = _features(wide, reviews)
    ratio = wide.ratio[seen].double()
    labels = torch.from_numpy(reviews.labels.astype(np.int64))
    losses = None if reviews.loss_weights is None else torch.from_numpy(reviews.loss_weights)
    weights = torch.zeros_like(ratio, requires_grad=True)
    wide.double()
    bias = wide.bias.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weights, bias, *wide.thresholds.parameters()],
        max_iter=MAX_ITERATIONS,
        tolerance_grad=OPTIMUM_TOLERANCE,
        tolerance_change=OPTIMUM_TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        outputs = wide.thresholds(features @ (weights * ratio) + bias)
        ridge = weights.square().sum() / (2 * RIDGE_C * len(reviews))
        total: Tensor = likelihood.loss(outputs, labels, losses) + ridge
        total.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]  # untyped in torch
    wide.float()
    with torch.no_grad():
        wide.weight[seen] = weights.float()
        wide.bias.copy_(bias)
    wide.requires_grad_(False)


def _features(wide: NgramLogOdds, reviews: Reviews) -> tuple[Tensor, Tensor]:
    """Return the buckets [seen] of all n-grams, and the factor of each in a review, sparse [reviews, seen]."""
    found, counts = [], []
    for _rows, buckets, present in wide.batches(reviews):
        found.append(buckets[present])
        counts.append(present.sum(1))
    of_review = torch.cat(counts)
    seen, columns = torch.unique(torch.cat(found), return_inverse=True)
    rows = torch.arange(len(of_review)).repeat_interleave(of_review)
    factors = of_review.double().rsqrt()[rows]
    size = (len(of_review), len(seen))
    return seen, torch.sparse_coo_tensor(torch.stack([rows, columns]), factors, size, check_invariants=True).coalesce()
