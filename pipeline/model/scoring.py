"""The log-odds a trained network gives to encoded reviews, and the answers they become."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.model.batching import pad
from pipeline.model.build import Network, path_logits

BATCH_SIZE = 64


@dataclass(frozen=True)
class Calibration:
    """How a model's log-odds become an answer: fixed on validation, see `pipeline.model.calibration`."""

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


def score(network: Network, reviews: Sequence[NDArray[np.int32]], fixed_length: int | None) -> NDArray[np.float32]:
    """Log-odds [n] that each review is positive, in the order of the reviews.

    Args:
        network: in evaluation mode, on the CPU.
        reviews: token ids of each review, at least one id each; batched by length, which changes no answer.
        fixed_length: as for `pipeline.model.batching.pad`.
    """
    return _in_batches(lambda ids, lengths: network.logits(ids, None, lengths)[0], reviews, fixed_length)


def score_paths(
    network: Network, reviews: Sequence[NDArray[np.int32]], fixed_length: int | None
) -> NDArray[np.float32]:
    """As `score`, by each path of the network: [n, paths]."""
    return _in_batches(partial(path_logits, network), reviews, fixed_length)


@torch.inference_mode()
def _in_batches(
    answer: Callable[[Tensor, Tensor | None], Tensor], reviews: Sequence[NDArray[np.int32]], fixed_length: int | None
) -> NDArray[np.float32]:
    order = np.argsort([len(review) for review in reviews], kind="stable")
    scores = []
    for start in range(0, len(order), BATCH_SIZE):
        rows = order[start : start + BATCH_SIZE]
        scores.append(answer(*pad([reviews[row] for row in rows], fixed_length)).numpy())
    found = np.concatenate(scores) if scores else np.empty(0, np.float32)
    unsorted = np.empty_like(found)
    unsorted[order] = found
    return unsorted
