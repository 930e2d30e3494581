"""Calibration of a model: the scaling of its outputs, and its decision rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.inference.decision_rule import DecisionRule
from pipeline.networks.likelihood import Likelihood


@dataclass(frozen=True)
class Calibration:
    """Scaling of a model's outputs, and its decision rule; fitted by `pipeline.inference.calibration_fitting`."""

    likelihood: Likelihood
    temperature: Sequence[float]
    """Divisor of each output, or one for all outputs of classes in an order."""
    bias: Sequence[float]
    """Added to each quotient."""
    rule: DecisionRule

    def summary(self) -> dict[str, Any]:
        """Return the fitted values by name; those that the classes or the objective do not need are None."""
        return {"temperature": self.temperature, "bias": self.bias, **vars(self.rule)}

    def outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the calibrated outputs [n, outputs] for those of a network."""
        return (outputs / np.array(self.temperature, outputs.dtype) + np.array(self.bias, outputs.dtype)).astype(
            np.float32
        )

    def probabilities(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the calibrated probability of each class [n, classes] for the outputs [n, outputs] of a network."""
        calibrated = torch.from_numpy(self.outputs(outputs))
        probabilities: NDArray[np.float32] = self.likelihood.probabilities(calibrated).numpy()
        return np.stack([1 - probabilities, probabilities], axis=1) if probabilities.ndim == 1 else probabilities
