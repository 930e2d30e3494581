"""The log-odds a trained network gives to encoded reviews."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.model.batching import pad
from pipeline.model.build import Network

BATCH_SIZE = 64


@torch.inference_mode()
def score(network: Network, reviews: Sequence[NDArray[np.int32]], fixed_length: int | None) -> NDArray[np.float32]:
    """Log-odds [n] that each review is positive, in the order of the reviews.

    Args:
        network: in evaluation mode, on the CPU.
        reviews: token ids of each review, at least one id each; batched by length, which changes no answer.
        fixed_length: as for `pipeline.model.batching.pad`.
    """
    scores = np.empty(len(reviews), dtype=np.float32)
    order = np.argsort([len(review) for review in reviews], kind="stable")
    for start in range(0, len(order), BATCH_SIZE):
        rows = order[start : start + BATCH_SIZE]
        ids, lengths = pad([reviews[row] for row in rows], fixed_length)
        logits, _ = network.logits(ids, None, lengths)
        scores[rows] = logits.numpy()
    return scores


def calibrated(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [n] of log-odds [n] divided by the temperature (Guo et al. 2017, section 4.2)."""
    probabilities: NDArray[np.float32] = torch.sigmoid(torch.from_numpy(logits) / temperature).numpy()
    return probabilities
