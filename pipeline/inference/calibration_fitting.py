"""Calibration on the validation split after training: scaling of the outputs, and the rule that labels follow."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from torch import Tensor

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.inference.calibration import Calibration
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.rule_fitting import WHOLE_MODEL, choose_rule, require_finite
from pipeline.networks.likelihood import LOGISTIC, Likelihood

TEMPERATURE_BOUNDS = (0.05, 20.0)
OPTIONS = {"ftol": 1e-14, "gtol": 1e-9}
"""Tolerances of the optimiser, which the few weights of these convex losses reach in no time."""
SCALE_SPREAD = 1.0
"""Prior standard deviation of a scale, the inverse of a temperature, around 1."""
FEW_VALIDATION = 1000
"""Validation reviews from which on they alone decide: fewer leave room for a prior (docs/small-data.md)."""


def calibrate(
    outputs: ArrayLike,
    labels: ArrayLike,
    likelihood: Likelihood = LOGISTIC,
    objective: ObjectiveConfig = ACCURACY,
    classes: Sequence[str] = (),
    of: str = WHOLE_MODEL,
) -> Calibration:
    """Fit temperatures and biases, which minimise the log loss, and choose the decision rule.

    A temperature corrects too much or too little confidence (temperature scaling, Guo et al. 2017, section 4.2). A bias
    corrects a leaning to a class; of two classes the two are Platt scaling (Platt 1999), of more, with one of each a
    class, vector scaling (Guo et al.). Classes in an order share a temperature, and the biases move their thresholds.

    On fewer than `FEW_VALIDATION` reviews the inverse of a temperature has a Gaussian prior around 1.

    Args:
        outputs: of the network for the validation reviews `[n, outputs]`.
        labels: class indices, `[n]`.
        likelihood: that of the network.
        objective: what the labels are chosen for.
        classes: as in `choose_rule`.
        of: as there.

    Returns:
        the calibration. Its temperatures are between 0.05 and 20, and above 1 for an overconfident model.

    Raises:
        PipelineError: there are no reviews, or an output is not finite.
    """
    z, y = np.asarray(outputs, dtype=np.float64), np.asarray(labels)
    require_finite(z)
    precisions = np.full(1 if likelihood.columns == 1 else z.shape[1], SCALE_SPREAD**-2)
    weights, bias = _fit(lambda weights: torch.from_numpy(z) * weights, precisions, y, likelihood, around=1)
    with np.errstate(divide="ignore"):
        temperature = np.clip(np.where(weights == 0, np.inf, 1 / weights), *TEMPERATURE_BOUNDS)
    scale = Calibration(likelihood, temperature.tolist(), bias.tolist(), DecisionRule())
    return replace(scale, rule=choose_rule(scale.probabilities(z), y, objective, classes, of))


def fit_weights(
    paths: ArrayLike, labels: ArrayLike, likelihood: Likelihood = LOGISTIC, spreads: Sequence[float] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a weight for each path and biases such that the weighted sum of the outputs has the lowest log loss.

    This is logistic regression, or its form for more classes, whose convex loss has one minimum. The labels are
    smoothed as in Platt (1999): for each of the n reviews of a class (n + 1) / (n + 2) stands for 1, and the other
    classes share the rest. Otherwise a validation split without a single error would lead to infinite confidence; on
    thousands of reviews the smoothing is negligible.

    On fewer than `FEW_VALIDATION` reviews the weights, if there are `spreads`, have a Gaussian prior around 0, that is,
    a ridge penalty: thirty reviews cannot tell a path that has learned nothing from a good one. The biases have none:
    the more one class prevails, the farther they are from 0.

    Args:
        paths: outputs `[n, outputs, paths]`.
        labels: class indices, `[n]`.
        likelihood: that of the network.
        spreads: prior standard deviation of what each path contributes to the outputs; empty: the weights are free.

    Returns:
        weights [paths], none of them negative; a bias for each output [outputs].

    Raises:
        PipelineError: there are no reviews, or a value is not finite.
    """
    z, y = np.asarray(paths, dtype=np.float64), np.asarray(labels)
    require_finite(z)
    precisions = z.var(axis=0).mean(axis=0) / np.square(spreads) if len(spreads) else np.zeros(z.shape[2])
    return _fit(lambda weights: torch.from_numpy(z) @ weights, precisions, y, likelihood)


def _fit(
    weigh: Callable[[Tensor], Tensor],
    precisions: NDArray[np.float64],
    labels: NDArray[np.generic],
    likelihood: Likelihood,
    around: float = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit weights, whose priors are `around` a value, and biases of outputs [n, outputs] that `weigh` makes of them."""
    weights = len(precisions)
    targets = torch.from_numpy(_smoothed(labels, likelihood.classes))

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        variables = torch.from_numpy(values).requires_grad_()
        outputs = weigh(variables[:weights]) + variables[weights:]
        mean = -(targets * likelihood.log_probabilities(outputs)).sum(1).mean()
        (gradient,) = torch.autograd.grad(mean, variables)
        return mean.item(), gradient.numpy()

    with torch.enable_grad(), torch.inference_mode(False):
        return _minimum(loss, precisions, around, likelihood.outputs, len(labels))


def _minimum(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    precisions: NDArray[np.float64],
    around: float,
    biases: int,
    reviews: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights and biases with the lowest mean loss over the reviews; of few reviews, with a prior."""
    weights = len(precisions)
    start = np.append(np.ones(weights), np.zeros(biases))
    bounds = [(0, 1 / TEMPERATURE_BOUNDS[0])] * weights + [(None, None)] * biases
    objective = loss
    if reviews < FEW_VALIDATION:

        def objective(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            mean, gradient = loss(values)
            moved = values[:weights] - around
            pull = np.append(precisions * moved, np.zeros(biases)) / reviews
            return mean + float(pull[:weights] @ moved) / 2, gradient + pull

    optimum = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=OPTIONS)
    return optimum.x[:weights], optimum.x[weights:]


def _smoothed(labels: NDArray[np.generic], classes: int) -> NDArray[np.float64]:
    """Return the smoothed targets [n, classes] of labels [n]."""
    reviews = np.bincount(labels.astype(np.int64), minlength=classes)[:, None]
    targets: NDArray[np.float64] = np.where(np.eye(classes) == 1, reviews + 1, 1 / (classes - 1)) / (reviews + 2)
    return targets[labels.astype(np.int64)]
