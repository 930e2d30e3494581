"""Target of an explanation: the quantity that the attributions of the words add up to."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.inference.model_info import ModelInfo


@dataclass(frozen=True)
class Target:
    """Weighted sum of a network's outputs. It is linear, so the contributions of both paths of a network add up to it.

    Ordered classes share one score; their first output is this score plus a constant. So the target is a sum of as
    many outputs as the likelihood has columns.
    """

    class_index: int
    """Index of the class explained."""
    weights: Tensor
    """Weights of the outputs that stand for the columns of the likelihood, the first ones [columns]."""
    temperature: float
    """Divisor of the sum."""
    quantity: str
    """Name of the target for people, such as `the log-odds`."""
    counts_for: str
    """Meaning of a positive attribution, such as `for positive`."""
    counts_against: str
    """Meaning of a negative attribution, such as `for negative`."""

    def of(self, outputs: Tensor) -> Tensor:
        """Return the sum [batch], before it is divided, for outputs [batch, outputs] of a network."""
        return outputs[:, : len(self.weights)] @ self.weights.to(outputs.dtype)


def choose_target(info: ModelInfo, class_index: int) -> Target:
    """Return the target for a class of a model.

    With two classes it is the log-odds of the class. With more it is the calibrated output of the class minus the mean
    of the others: an amount that all outputs share changes no probability. With ordered classes it is their score,
    whichever class is explained; a higher score means a higher class.

    Args:
        info: `config.json` of the model.
        class_index: index of the class.
    """
    classes, temperature = info.classes, info.calibration.temperature
    if len(classes) == 2:
        weights = torch.tensor([1.0 if class_index == 1 else -1.0])
        meanings = ("the log-odds", f"for {classes[class_index]}", f"for {classes[1 - class_index]}")
        return Target(class_index, weights, temperature[0], *meanings)
    if info.likelihood.columns == 1:
        quantity = f"the score that ranks the classes, from {classes[0]} up to {classes[-1]}"
        meanings = (quantity, f"towards {classes[-1]}", f"towards {classes[0]}")
        return Target(class_index, torch.ones(1), temperature[0], *meanings)
    contrast = np.full(len(classes), -1 / (len(classes) - 1))
    contrast[class_index] = 1
    weights = torch.tensor(contrast / temperature, dtype=torch.float32)
    name = classes[class_index]
    quantity = f"the output for {name}, less the mean of the other classes' outputs"
    return Target(class_index, weights, 1.0, quantity, f"for {name}", f"against {name}")
