"""How far chance in the choice of test reviews could move a metric: bootstrap confidence intervals."""

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.predictions import Scored

RESAMPLES = 2000
PERCENTILES = (2.5, 97.5)
SEED = 0
CELLS = 4_000_000
"""Counts held at a time."""

Intervals = dict[str, dict[str, float | None]]
"""`low` and `high` of each metric; None where it is undefined."""


def intervals(test: Scored, baseline: Scored | None, resamples: int = RESAMPLES) -> dict[str, Intervals]:
    """95 % percentile intervals of accuracy, F1, ROC-AUC, log loss and Brier score. Equal input, equal intervals.

    The calibration error has none: resampling adds noise to gaps that are never negative, so that its percentiles
    would lie above the truth.

    Args:
        test: the model's answers on the held-out split.
        baseline: the baseline's answers on the same reviews in the same order.
        resamples: how often as many reviews are drawn anew, with replacement.

    Returns:
        For `test` and, where there is one, for `baseline` and the paired `difference`, model minus baseline.

    Source: Efron (1979), Annals of Statistics 7; Efron & Tibshirani (1993), chapter 13, for the percentiles.
    """
    systems = {"test": test} | ({} if baseline is None else {"baseline": baseline})
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in systems}
    random, n = np.random.default_rng(SEED), len(test.labels)
    for start in range(0, resamples, chunk := max(1, CELLS // n)):
        counts = _draw(random, min(chunk, resamples - start), n)
        for name, scored in systems.items():
            drawn[name].append(resampled_metrics(counts, scored))
    values = {name: np.concatenate(parts, axis=1) for name, parts in drawn.items()}
    if baseline is not None:
        values["difference"] = values["test"] - values["baseline"]
    return {name: _percentiles(metrics) for name, metrics in values.items()}


METRICS = ("accuracy", "f1", "roc_auc", "log_loss", "brier")


def resampled_metrics(counts: NDArray[np.float64], scored: Scored) -> NDArray[np.float64]:
    """The metrics of many resamples at once.

    Args:
        counts: how often each review is in each resample [resamples, n].
        scored: a classifier's answers.

    Returns:
        `METRICS` of each resample [metrics, resamples], as `classification_metrics` defines them; NaN where a resample
        has one label only.
    """
    order = np.argsort(scored.probabilities, kind="stable")
    y, p = scored.labels[order].astype(np.float64), scored.probabilities[order].astype(np.float64)
    counts = counts[:, order]
    called = p >= scored.threshold
    n, positive = counts.sum(axis=1), counts @ y
    hits, alarms = counts @ (y * called), counts @ ((1 - y) * called)
    misses = positive - hits
    tiny = np.finfo(np.float64).eps
    surprise = -np.log(np.clip(np.where(y == 1, p, 1 - p), tiny, 1))
    with np.errstate(invalid="ignore"):
        auc = _ordered_pairs(counts, y, p) / (positive * (n - positive))
    return np.stack(
        [
            (n - alarms - misses) / n,
            2 * hits / np.maximum(2 * hits + alarms + misses, 1),
            auc,
            counts @ surprise / n,
            counts @ (p - y) ** 2 / n,
        ]
    )


def _draw(random: np.random.Generator, resamples: int, n: int) -> NDArray[np.float64]:
    cells = random.integers(0, n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def _ordered_pairs(counts: NDArray[np.float64], y: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pairs of a positive and a negative review in which the positive has the higher probability; a tie is a half."""
    starts = np.flatnonzero(np.r_[True, p[1:] != p[:-1]])
    positive = np.add.reduceat(counts * y, starts, axis=1)  # [resamples, distinct probabilities]
    negative = np.add.reduceat(counts * (1 - y), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs: NDArray[np.float64] = (positive * (below + negative / 2)).sum(axis=1)
    return pairs


def _percentiles(values: NDArray[np.float64]) -> Intervals:
    found: Intervals = {}
    for name, drawn in zip(METRICS, values, strict=True):
        defined = drawn[np.isfinite(drawn)]
        low, high = np.percentile(defined, PERCENTILES).tolist() if len(defined) else (None, None)
        found[name] = {"low": low, "high": high}
    return found
