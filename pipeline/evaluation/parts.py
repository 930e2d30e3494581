"""Metrics of the parts of a network that joins two: each alone, both joined, and what the recurrent one adds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.bootstrap import mean_intervals
from pipeline.evaluation.metrics import MetricValues
from pipeline.evaluation.multiclass import negative_log_likelihood
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.calibration import Calibration
from pipeline.inference.calibration_fitting import calibrate
from pipeline.inference.model_info import ModelInfo
from pipeline.networks.build import path_names

KEYS = ("accuracy", "log_loss")
"""Metrics of each part."""

WithPaths = tuple[ScoredSplit, NDArray[np.float32]]
"""Answers to a split, and the outputs of each path before calibration [n, outputs, paths]."""


@dataclass(frozen=True)
class Part:
    """Answers of one part of a network alone."""

    validation: ScoredSplit
    test: ScoredSplit


def calibrate_parts(info: ModelInfo, validation: WithPaths, test: WithPaths) -> dict[str, Part]:
    """Calibrate each part of a network by itself on validation, as the network is calibrated, and have it answer.

    Args:
        info: `config.json` of the network, which names its paths; without paths there are no parts.
        validation: from `score_split_and_paths`.
        test: the same of the held-out split.

    Returns:
        the parts by name.
    """
    parts = {}
    for number, name in enumerate(path_names(info.model)):
        outputs, labels = validation[1][:, :, number], validation[0].labels
        calibration = calibrate(outputs, labels, info.likelihood, info.objective, info.classes, f"{name} alone")
        parts[name] = Part(
            *(_answers(scored, paths[:, :, number], calibration) for scored, paths in (validation, test))
        )
    return parts


def parts_metrics(parts: Mapping[str, Part], test: ScoredSplit, metrics: Mapping[str, Any]) -> dict[str, MetricValues]:
    """Compute accuracy and log loss of each part, and paired differences in accuracy with their 95 % intervals.

    Args:
        parts: the recurrent part and the n-grams, in this order.
        test: answers of the whole network.
        metrics: its metrics under `test` and `val`.

    Returns:
        By name of the part, and for `joint`, the whole: values on test, and under `val_…` on validation. The
        recurrent part also has the differences `adds` (joint minus n-grams) and `minus_ngrams` (each alone) on test,
        each as `accuracy`, `low` and `high`.
    """
    deep, wide = parts
    right = {name: _right(part.test) for name, part in parts.items()}
    gains = {"adds": _right(test) - right[wide], f"minus_{wide}": right[deep] - right[wide]}
    intervals = mean_intervals(gains)
    values = {name: _by_split(_values(part.test), _values(part.validation)) for name, part in parts.items()}
    values[deep] |= {name: {"accuracy": float(gain.mean()), **intervals[name]} for name, gain in gains.items()}
    return {**values, "joint": _by_split(metrics["test"], metrics["val"])}


def _answers(scored: ScoredSplit, outputs: NDArray[np.float32], calibration: Calibration) -> ScoredSplit:
    return replace(scored, probabilities=calibration.probabilities(outputs), rule=calibration.rule)


def _right(scored: ScoredSplit) -> NDArray[np.float64]:
    """Return 1 for each review that is classified correctly, else 0 [n]."""
    return np.equal(scored.predicted, scored.labels).astype(np.float64)


def _values(scored: ScoredSplit) -> MetricValues:
    losses = negative_log_likelihood(scored.labels, scored.probabilities.astype(np.float64))
    return {"accuracy": float(_right(scored).mean()), "log_loss": float(losses.mean())}


def _by_split(test: MetricValues, validation: MetricValues) -> MetricValues:
    return {**{key: test[key] for key in KEYS}, **{f"val_{key}": validation[key] for key in KEYS}}
