"""Bootstrap confidence intervals: how far the choice of test reviews could move a metric."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.binary import resampled_binary_metrics
from pipeline.evaluation.label_metrics import resampled_label_metrics
from pipeline.evaluation.multiclass import resampled_multiclass_metrics
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.wilson import wilson_interval

RESAMPLES = 2000
BOUNDS = (2.5, 97.5)
"""Percentiles of the resampled values."""
SEED = 0
ROUNDING = 1e-9
"""Smallest difference between values that is no rounding error."""
MAX_COUNTS = 4_000_000
"""Maximum number of counts, resamples times reviews, held at a time."""

Intervals = dict[str, dict[str, float | None]]
"""`low` and `high` by metric; None where there is none."""


def bootstrap_intervals(
    test: ScoredSplit,
    baseline: ScoredSplit | None,
    resamples: int = RESAMPLES,
    objective: ObjectiveConfig = ACCURACY,
) -> dict[str, Intervals]:
    """Compute 95 % percentile intervals of the metrics that have one. Equal input gives equal intervals.

    `scipy.stats.bootstrap` is not used: from the same resamples its bounds differ in the last digits, and one resample
    in which a metric is undefined makes its whole interval NaN. Where all answers are right, or all wrong, no resample
    differs; the accuracy then has its Wilson interval. Any other metric of a system that no resample changes has no
    interval: the resamples do not tell how far off it may be.

    Args:
        test: the model's answers on the held-out split.
        baseline: the baseline's answers on the same reviews in the same order.
        resamples: number of resamples; each draws as many reviews as there are, with replacement.
        objective: as for `label_metrics`.

    Returns:
        Intervals for `test` and, where there is a baseline, for `baseline` and the paired `difference`, model minus
        baseline.

    Source: Efron (1979), Annals of Statistics 7; Efron & Tibshirani (1993), chapter 13, for the percentiles.
    """
    systems = {"test": test} | ({} if baseline is None else {"baseline": baseline})
    keys: list[str] = []
    chunks: dict[str, list[NDArray[np.float64]]] = {name: [] for name in systems}
    for counts in _resamples(len(test.labels), resamples):
        for name, scored in systems.items():
            metrics = _resampled(counts, scored) | resampled_label_metrics(counts, scored, objective)
            keys = list(metrics)
            chunks[name].append(np.stack(list(metrics.values())))  # [metrics, resamples]
    values = {name: np.concatenate(parts, axis=1) for name, parts in chunks.items()}
    if baseline is not None:
        values["difference"] = values["test"] - values["baseline"]
    intervals = {
        name: dict(zip(keys, map(_percentile_interval, metrics), strict=True)) for name, metrics in values.items()
    }
    for name, scored in systems.items():
        constant = {key for key, resampled in zip(keys, values[name], strict=True) if _is_constant(resampled)}
        intervals[name] |= {key: {"low": None, "high": None} for key in constant}
        right, n = int((scored.predicted == scored.labels).sum()), len(scored.labels)
        if right in (0, n):
            intervals[name]["accuracy"] = dict(zip(("low", "high"), wilson_interval(right, n), strict=True))
    return intervals


def mean_intervals(values: Mapping[str, NDArray[np.float64]]) -> Intervals:
    """Compute 95 % percentile intervals of means over the test reviews, from the resamples of `bootstrap_intervals`.

    Args:
        values: a number for each review [n] by name, such as the paired difference of two classifiers.
    """
    columns = np.stack(list(values.values()), axis=1)  # [n, means]
    means = np.concatenate([counts @ columns / len(columns) for counts in _resamples(len(columns), RESAMPLES)])
    return dict(zip(values, map(_percentile_interval, means.T), strict=True))


def _resampled(counts: NDArray[np.float64], scored: ScoredSplit) -> dict[str, NDArray[np.float64]]:
    if scored.rule.threshold is None:
        return resampled_multiclass_metrics(counts, scored)
    return resampled_binary_metrics(counts, scored.labels, scored.probabilities[:, 1], scored.rule.threshold)


def _resamples(n: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Yield the counts of all resamples, some at a time [some, n]; the same every time."""
    random = np.random.default_rng(SEED)
    for start in range(0, resamples, size := max(1, MAX_COUNTS // n)):
        yield _draw(random, min(size, resamples - start), n)


def _draw(random: np.random.Generator, resamples: int, n: int) -> NDArray[np.float64]:
    cells = random.integers(0, n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def _is_constant(values: NDArray[np.float64]) -> bool:
    """Return True if the defined values are the same, rounding aside."""
    defined = values[np.isfinite(values)]
    return len(defined) > 0 and bool(np.ptp(defined) < ROUNDING)


def _percentile_interval(values: NDArray[np.float64]) -> dict[str, float | None]:
    defined = values[np.isfinite(values)]
    low, high = np.percentile(defined, BOUNDS).tolist() if len(defined) else (None, None)
    return {"low": low, "high": high}
