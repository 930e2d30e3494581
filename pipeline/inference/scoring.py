"""The log-odds a trained network gives to encoded reviews, and the answers they become."""

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
    """How a model's log-odds become an answer: fixed on validation, see `pipeline.inference.calibration`."""

    temperature: float
    """What the log-odds are divided by."""
    bias: float
    """What is then added to them."""
    threshold: float
    """Smallest probability that counts as positive."""

    def log_odds(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrated log-odds [n] of a network's log-odds [n]."""
        return (logits / self.temperature + self.bias).astype(np.float32)

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrated probability of "positive" [n] of a network's log-odds [n]."""
        found: NDArray[np.float32] = torch.sigmoid(torch.from_numpy(self.log_odds(logits))).numpy()
        return found


class BatchMap(Protocol):
    """The built-in `map`, or that of an executor, with one iterable."""

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
    """Log-odds [n] that each review is positive, in the order of the reviews.

    Args:
        network: in evaluation mode, on the CPU.
        reviews: token ids of each review, at least one id each; batched by length, which changes no answer.
        fixed_length: as for `pipeline.networks.padding.pad`.
        batch_map: calls the network with each batch, the longest first.
        batch_size: reviews of a batch, at most.
    """

    def logits(ids: Tensor, lengths: Tensor | None) -> Tensor:
        return network.logits(ids, None, lengths)[0]

    return _in_batches(logits, reviews, fixed_length, batch_map, batch_size)


def score_paths(
    network: Network, reviews: Sequence[NDArray[np.int32]], fixed_length: int | None
) -> NDArray[np.float32]:
    """As `score`, by each path of the network: [n, paths]."""
    return _in_batches(partial(path_logits, network), reviews, fixed_length)


def _in_batches(
    answer: Callable[[Tensor, Tensor | None], Tensor],
    reviews: Sequence[NDArray[np.int32]],
    fixed_length: int | None,
    batch_map: BatchMap = map,
    batch_size: int = BATCH_SIZE,
) -> NDArray[np.float32]:
    @torch.inference_mode()  # which holds for a thread, not for a process
    def answer_rows(rows: Rows) -> NDArray[np.float32]:
        found: NDArray[np.float32] = answer(*pad([reviews[row] for row in rows], fixed_length)).numpy()
        return found

    if not reviews:
        return np.empty(0, np.float32)
    order = np.argsort([-len(review) for review in reviews], kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    found = np.concatenate(list(batch_map(answer_rows, batches)))
    unsorted = np.empty_like(found)
    unsorted[order] = found
    return unsorted
