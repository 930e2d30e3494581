"""Scoring: the outputs that a trained network gives to encoded reviews."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.networks.build import Network, deep_path, join_paths, path_logits
from pipeline.networks.padding import pad

BATCH_SIZE = 64

Rows = NDArray[np.intp]


class BatchMap(Protocol):
    """Signature of the built-in `map` with one iterable, which an executor's `map` has too."""

    def __call__(
        self, function: Callable[[Rows], NDArray[np.float32]], batches: Iterable[Rows], /
    ) -> Iterator[NDArray[np.float32]]:
        """Yield `function(batch)` for each batch, in order."""


def score(network: Network, reviews: Sequence[NDArray[np.int32]], fixed_length: int | None) -> NDArray[np.float32]:
    """Return the outputs [n, outputs] of the network for each review, in the order of the reviews.

    Args:
        network: in evaluation mode, on any device.
        reviews: token ids of each review, at least one id each. They are batched by length, which changes no answer.
        fixed_length: as in `pipeline.networks.padding.pad`.
    """
    if not reviews:
        return np.empty((0, deep_path(network).likelihood.outputs), np.float32)
    return score_with_paths(network, reviews, fixed_length)[0]


def score_with_paths(
    network: Network,
    reviews: Sequence[NDArray[np.int32]],
    fixed_length: int | None,
    batch_map: BatchMap = map,
    batch_size: int = BATCH_SIZE,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what `score` returns, and the outputs [n, outputs, paths] of each path, computed together.

    Args:
        network: as for `score`.
        reviews: as there; at least one.
        fixed_length: as there.
        batch_map: calls the network with each batch, the longest reviews first.
        batch_size: most reviews in a batch.
    """
    device = next(network.parameters()).device

    @torch.inference_mode()  # set per thread, not per process
    def compute_rows(rows: Rows) -> NDArray[np.float32]:
        ids, lengths = pad([reviews[row] for row in rows], fixed_length)
        paths = path_logits(network, ids.to(device), None if lengths is None else lengths.to(device))
        return torch.cat([join_paths(network, paths)[:, :, None], paths], dim=2).cpu().numpy()

    order = np.argsort([-len(review) for review in reviews], kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    sorted_outputs = np.concatenate(list(batch_map(compute_rows, batches)))
    outputs = np.empty_like(sorted_outputs)
    outputs[order] = sorted_outputs
    return outputs[:, :, 0], outputs[:, :, 1:]
