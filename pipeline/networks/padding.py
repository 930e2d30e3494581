"""Padding: from the token ids of single reviews to the tensors that a network reads."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def pad(reviews: Sequence[NDArray[np.int32]], fixed_length: int | None) -> tuple[Tensor, Tensor | None]:
    """Stack reviews of different lengths, padded with 0.

    Args:
        reviews: token ids of each review, at least one id each.
        fixed_length: None pads on the right, to the length of the longest review. A number pads on the left, or cuts
            off the end, to that length.

    Returns:
        token ids [batch, time] int32; lengths [batch], or None with a fixed length, where the padding is part of the
        input.
    """
    if fixed_length is None:
        lengths = np.array([len(review) for review in reviews])
        ids = np.zeros((len(reviews), lengths.max()), dtype=np.int32)
        for row, review in zip(ids, reviews, strict=True):
            row[: len(review)] = review
        return torch.from_numpy(ids), torch.from_numpy(lengths)
    ids = np.zeros((len(reviews), fixed_length), dtype=np.int32)
    for row, review in zip(ids, reviews, strict=True):
        tokens = review[:fixed_length]
        row[fixed_length - len(tokens) :] = tokens
    return torch.from_numpy(ids), None
