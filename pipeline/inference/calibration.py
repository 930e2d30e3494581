"""What is fixed on the validation split after training: how log-odds become probabilities, and the threshold."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.inference.scoring import Calibration
from pipeline.runtime.errors import PipelineError

TEMPERATURE_BOUNDS = (0.05, 20.0)


def calibrate(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Fix temperature, bias and threshold on the validation split: those whose log loss is least, and a good cut.

    A temperature undoes too much or too little confidence (Guo et al. 2017, section 4.2); the bias, the other half of
    Platt's scaling (1999), a leaning to one label.

    Args:
        logits: the model's outputs before the sigmoid, `[n]`.
        labels: 0 or 1, `[n]`.

    Returns:
        among others the temperature, between 0.05 and 20; above 1 where the model is too sure of itself.

    Raises:
        PipelineError: there are no reviews, or a logit is not finite.
    """
    z = np.asarray(logits, dtype=np.float64)
    (weight,), bias = fit_weights(z[:, None], labels)
    temperature = float(np.clip(1 / weight if weight else np.inf, *TEMPERATURE_BOUNDS))
    scale = Calibration(temperature, bias, threshold=0.5)
    return replace(scale, threshold=choose_threshold(scale.probabilities(z), labels))


def fit_weights(paths: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Find the weights of several log-odds, and a bias, whose weighted sum has the lowest log loss.

    That is logistic regression: a convex loss, whose minimum is the only one. The labels are pulled a little towards
    one half, as Platt (1999) does: (n₊ + 1) / (n₊ + 2) stands for 1 and 1 / (n₋ + 2) for 0. A validation split without
    a single error would otherwise ask for an infinite confidence; on thousands of reviews the change is negligible.

    Args:
        paths: log-odds `[n, paths]`.
        labels: 0 or 1, `[n]`.

    Returns:
        weights [paths], none of them negative; the bias.

    Raises:
        PipelineError: there are no reviews, or a value is not finite.
    """
    z, y = np.asarray(paths, dtype=np.float64), np.asarray(labels)
    _require_reviews(z)
    targets = _soft(y)
    z = np.column_stack([z, np.ones(len(z))])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = z @ weights
        gradient = z.T @ (expit(scaled) - targets) / len(y)
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled)), gradient

    start = np.append(np.ones(z.shape[1] - 1), 0.0)
    bounds = [(0, 1 / TEMPERATURE_BOUNDS[0])] * (len(start) - 1) + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})
    return found.x[:-1], float(found.x[-1])


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Choose the probability from which on a review is called positive.

    For calibrated probabilities that is 0.5, and the cut that happens to be best on a few thousand reviews is mostly
    noise. So 0.5 stays unless the most accurate cut beats it by more than one standard error of that accuracy (the
    one-standard-error rule of Breiman et al. 1984); then it is that cut, of equal ones the one nearest to 0.5.

    Args:
        probabilities: calibrated, of label 1, `[n]`.
        labels: 0 or 1, `[n]`.

    Returns:
        The threshold, between 0 and 1, a value that float32 holds exactly.

    Raises:
        PipelineError: there are no reviews, or a probability is not finite.
    """
    p, y = np.asarray(probabilities, dtype=np.float32), np.asarray(labels)
    _require_reviews(p)
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


def _soft(labels: NDArray[np.generic]) -> NDArray[np.float64]:
    positives = np.count_nonzero(labels)
    return np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))


def _require_reviews(values: NDArray[np.floating]) -> None:
    if values.size == 0:
        raise PipelineError("the validation split holds no review to calibrate on; give it some (split.validation)")
    if not np.isfinite(values).all():
        raise PipelineError("the model's outputs are not finite; its training diverged: lower training.lr")
