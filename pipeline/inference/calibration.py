"""Calibration on the validation split after training: temperature scaling with a bias, and the threshold."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.inference.scoring import Calibration
from pipeline.runtime.errors import PipelineError

TEMPERATURE_BOUNDS = (0.05, 20.0)


def calibrate(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Fit temperature and bias, which minimise the log loss, and choose the threshold.

    The temperature corrects too much or too little confidence (temperature scaling, Guo et al. 2017, section 4.2). The
    bias corrects a leaning to one label; together they are Platt scaling (Platt 1999).

    Args:
        logits: log-odds of the validation reviews `[n]`.
        labels: 0 or 1, `[n]`.

    Returns:
        the calibration. Its temperature is between 0.05 and 20, and above 1 for an overconfident model.

    Raises:
        PipelineError: there are no reviews, or a logit is not finite.
    """
    z = np.asarray(logits, dtype=np.float64)
    (weight,), bias = fit_weights(z[:, None], labels)
    temperature = float(np.clip(1 / weight if weight else np.inf, *TEMPERATURE_BOUNDS))
    scale = Calibration(temperature, bias, threshold=0.5)
    return replace(scale, threshold=choose_threshold(scale.probabilities(z), labels))


def fit_weights(paths: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Fit a weight for each path and a bias such that the weighted sum of the log-odds has the lowest log loss.

    This is logistic regression, whose convex loss has one minimum. The labels are smoothed as in Platt (1999):
    (n₊ + 1) / (n₊ + 2) stands for 1 and 1 / (n₋ + 2) for 0. Otherwise a validation split without a single error would
    lead to infinite confidence; on thousands of reviews the smoothing is negligible.

    Args:
        paths: log-odds `[n, paths]`.
        labels: 0 or 1, `[n]`.

    Returns:
        weights [paths], none of them negative; the bias.

    Raises:
        PipelineError: there are no reviews, or a value is not finite.
    """
    z, y = np.asarray(paths, dtype=np.float64), np.asarray(labels)
    _require_finite(z)
    targets = _smoothed(y)
    z = np.column_stack([z, np.ones(len(z))])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = z @ weights
        gradient = z.T @ (expit(scaled) - targets) / len(y)
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled)), gradient

    start = np.append(np.ones(z.shape[1] - 1), 0.0)
    bounds = [(0, 1 / TEMPERATURE_BOUNDS[0])] * (len(start) - 1) + [(None, None)]
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})
    return optimum.x[:-1], float(optimum.x[-1])


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Choose the smallest probability that is labelled positive.

    For calibrated probabilities 0.5 is right, and the most accurate threshold on a few thousand reviews is mostly
    noise. So 0.5 stays unless the most accurate threshold beats it by more than one standard error of that accuracy
    (the one-standard-error rule of Breiman et al. 1984). Of several that are equally accurate, the one nearest to 0.5
    is chosen.

    Args:
        probabilities: calibrated probabilities of label 1 `[n]`.
        labels: 0 or 1, `[n]`.

    Returns:
        the threshold, between 0 and 1: a value that float32 holds exactly.

    Raises:
        PipelineError: there are no reviews, or a probability is not finite.
    """
    p, y = np.asarray(probabilities, dtype=np.float32), np.asarray(labels)
    _require_finite(p)
    values = np.unique(p)
    between = (np.concatenate(([0], values)) + np.concatenate((values, [1]))) / 2
    cuts = np.unique(np.append(between, 0.5).astype(np.float32))

    negatives, positives = np.sort(p[y == 0]), np.sort(p[y == 1])
    correct_negatives = np.searchsorted(negatives, cuts, side="left")
    correct_positives = len(positives) - np.searchsorted(positives, cuts, side="left")
    accuracy = (correct_negatives + correct_positives) / len(p)

    best = accuracy.max()
    standard_error = np.sqrt(best * (1 - best) / len(p))
    if accuracy[cuts == 0.5].item() >= best - standard_error:
        return 0.5
    best_cuts = cuts[accuracy == best]
    return float(best_cuts[np.argmin(np.abs(best_cuts - 0.5))])


def _smoothed(labels: NDArray[np.generic]) -> NDArray[np.float64]:
    positives = np.count_nonzero(labels)
    return np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))


def _require_finite(values: NDArray[np.floating]) -> None:
    if values.size == 0:
        raise PipelineError("the validation split has no review to calibrate on; make it larger (split.validation)")
    if not np.isfinite(values).all():
        raise PipelineError("the model's outputs are not finite; its training diverged: lower training.lr")
