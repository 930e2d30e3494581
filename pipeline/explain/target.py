"""Target of an explanation: the quantity that the numbers of the words are added to."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.inference.model_info import ModelInfo


@dataclass(frozen=True)
class Target:
    """Weighted sum of a network's outputs. It is linear, so the parts of both paths of a network add up to it.

    Classes in an order share one score; their first output is this score and a constant. So the target is a sum of as
    many outputs as the likelihood has columns.
    """

    number: int
    """Number of the class explained."""
    weights: Tensor
    """Weights of the first outputs, and of the columns [columns]."""
    temperature: float
    """Divisor of the sum."""
    quantity: str
    """Name of the target for people, such as `the log-odds`."""
    counts_for: str
    """Meaning of a number above 0, such as `for positive`."""
    counts_against: str
    """Meaning of a number below 0, such as `for negative`."""

    def of(self, outputs: Tensor) -> Tensor:
        """Return the sum [batch], before it is divided, for outputs [batch, outputs] of a network."""
        return outputs[:, : len(self.weights)] @ self.weights.to(outputs.dtype)


def choose_target(info: ModelInfo, number: int) -> Target:
    """Return the target for a class of a model.

    Of two classes it is the log-odds of the class. Of more it is the calibrated output of the class less the mean of
    the others: what all outputs have in common changes no probability. Of classes in an order it is their score, of
    which more means a higher class, whichever class is explained.

    Args:
        info: `config.json` of the model.
        number: of the class.
    """
    classes, temperature = info.classes, info.calibration.temperature
    if len(classes) == 2:
        weights = torch.tensor([1.0 if number == 1 else -1.0])
        meanings = ("the log-odds", f"for {classes[number]}", f"for {classes[1 - number]}")
        return Target(number, weights, temperature[0], *meanings)
    if info.likelihood.columns == 1:
        quantity = f"the score that ranks the classes, from {classes[0]} up to {classes[-1]}"
        meanings = (quantity, f"towards {classes[-1]}", f"towards {classes[0]}")
        return Target(number, torch.ones(1), temperature[0], *meanings)
    contrast = np.full(len(classes), -1 / (len(classes) - 1))
    contrast[number] = 1
    weights = torch.tensor(contrast / temperature, dtype=torch.float32)
    name = classes[number]
    quantity = f"the output for {name}, less the mean of the other classes' outputs"
    return Target(number, weights, 1.0, quantity, f"for {name}", f"against {name}")
