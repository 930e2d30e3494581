"""Scoring: the log-odds that a trained network gives to encoded reviews, and their calibration."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.networks.build import Network, path_logits
from pipeline.networks.padding import pad

BATCH_SIZE = 64

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of a model's log-odds, and its threshold; fitted by `pipeline.inference.calibration`."""

    temperature: float
    """Divisor of the log-odds."""
    bias: float
    """Added to the quotient."""
    threshold: float
    """Smallest probability that is labelled positive."""

    def log_odds(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the calibrated log-odds [n] for the log-odds [n] of a network."""
        return (logits / self.temperature + self.bias).astype(np.float32)

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the calibrated probabilities of "positive" [n] for the log-odds [n] of a network."""
        probabilities: NDArray[np.float32] = torch.sigmoid(torch.from_numpy(self.log_odds(logits))).numpy()
        return probabilities


class BatchMap(Protocol):
    """Signature of the built-in `map` with one iterable, which an executor's `map` has too."""

    def __call__(
        self, function: Callable[[Rows], NDArray[np.float32]], batches: Iterable[Rows], /
    ) -> Iterator[NDArray[np.float32]]:
        """Yield `function(batch)` for each batch, in order."""


def score(
    network: Network,
    reviews: Sequence[NDArray[np.int32]],
    fixed_length: int | None,
    batch_map: BatchMap = map,
    batch_size: int = BATCH_SIZE,
) -> NDArray[np.float32]:
    """Return the log-odds [n] that each review is positive, in the order of the reviews.

    Args:
        network: in evaluation mode, on any device.
        reviews: token ids of each review, at least one id each. They are batched by length, which changes no answer.
        fixed_length: as in `pipeline.networks.padding.pad`.
        batch_map: calls the network with each batch, the longest reviews first.
        batch_size: most reviews in a batch.
    """

    def logits(ids: Tensor, lengths: Tensor | None) -> Tensor:
        return network.logits(ids, None, lengths)[0]

    return _in_batches(logits, _device(network), reviews, fixed_length, batch_map, batch_size)


def score_paths(
    network: Network, reviews: Sequence[NDArray[np.int32]], fixed_length: int | None
) -> NDArray[np.float32]:
    """Return the log-odds [n, paths] that each path of the network gives to each review; see `score`."""
    return _in_batches(partial(path_logits, network), _device(network), reviews, fixed_length)


def _device(network: Network) -> torch.device:
    """Return the device that holds the weights of a network."""
    return next(network.parameters()).device


def _in_batches(
    compute: Callable[[Tensor, Tensor | None], Tensor],
    device: torch.device,
    reviews: Sequence[NDArray[np.int32]],
    fixed_length: int | None,
    batch_map: BatchMap = map,
    batch_size: int = BATCH_SIZE,
) -> NDArray[np.float32]:
    @torch.inference_mode()  # set per thread, not per process
    def compute_rows(rows: Rows) -> NDArray[np.float32]:
        ids, lengths = pad([reviews[row] for row in rows], fixed_length)
        outputs = compute(ids.to(device), None if lengths is None else lengths.to(device))
        return outputs.cpu().numpy()

    if not reviews:
        return np.empty(0, np.float32)
    order = np.argsort([-len(review) for review in reviews], kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    sorted_outputs = np.concatenate(list(batch_map(compute_rows, batches)))
    outputs = np.empty_like(sorted_outputs)
    outputs[order] = sorted_outputs
    return outputs
