"""Excerpt of a long review: its beginning and its end, where reviewers state their verdict."""

import torch
from torch import Tensor


def excerpt_steps(lengths: Tensor, limit: int) -> Tensor:
    """Return the steps of an excerpt [batch, limit]: half from the beginning of a review, half from its end.

    Args:
        lengths: tokens of each review [batch]; a review of at most `limit` gets all its steps, then padding.
        limit: number of steps.
    """
    steps = torch.arange(limit, device=lengths.device)
    skipped = (lengths - limit).clamp(min=0)[:, None]
    return steps + skipped * (steps >= limit - limit // 2)


def excerpt(x: Tensor, lengths: Tensor | None, limit: int | None) -> tuple[Tensor, Tensor | None]:
    """Return an excerpt of each review, and its length.

    Args:
        x: token ids [batch, time], padded on the right.
        lengths: tokens of each review [batch]; None: all steps count.
        limit: maximum number of tokens of an excerpt; None: no limit.

    Returns:
        token ids [batch, at most `limit`]; lengths [batch], or None as given.
    """
    if limit is None or x.shape[1] <= limit:
        return x, lengths
    if lengths is None:
        return x.gather(1, excerpt_steps(torch.full((len(x),), x.shape[1], device=x.device), limit)), None
    return x.gather(1, excerpt_steps(lengths, limit)), lengths.clamp(max=limit)
