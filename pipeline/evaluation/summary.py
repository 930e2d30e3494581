"""Assemble `reports/metrics.json` and `reports/speed.json`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.config.evaluation import EvaluationConfig
from pipeline.evaluation.bootstrap import bootstrap_intervals
from pipeline.evaluation.classification import classification_metrics
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.metrics import METRICS, MetricValues
from pipeline.evaluation.multiclass import multiclass_metrics
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import accuracies, worst_part
from pipeline.evaluation.wilson import wilson_interval


def collect_metrics(
    test: ScoredSplit,
    validation: ScoredSplit | None,
    baseline: ScoredSplit | None,
    slices: Columns,
    config: EvaluationConfig,
    baseline_name: str = "baseline",
) -> dict[str, Any]:
    """Compute what `reports/metrics.json` holds of the splits, in full precision.

    Args:
        test: the model's answers on the held-out split.
        validation: its answers where temperature and threshold were fitted, so that these metrics are a little
            optimistic; None where there are none.
        baseline: the baseline's answers on the same held-out split.
        slices: from `slice_table`.
        config: the number of bins of the calibration error.
        baseline_name: names the baseline in warnings.
    """
    worst = worst_part(slices)
    systems = {"test": (test, test.split)} | ({} if baseline is None else {"baseline": (baseline, baseline_name)})
    on_validation = {} if validation is None else split_metrics(validation, "validation", config.ece_bins)
    brief = {key: on_validation[key] for key, metric in METRICS.items() if metric.brief and key in on_validation}
    return {
        **{part: split_metrics(scored, name, config.ece_bins) for part, (scored, name) in systems.items()},
        **({} if validation is None else {"validation": brief}),
        "intervals": bootstrap_intervals(test, baseline),
        "slices": accuracies(slices),
        **({} if worst is None else {"worst_slice": {key: worst[key] for key in ("accuracy", "reviews")}}),
    }


def auxiliary_metrics(scored: ScoredSplit, baseline: ScoredSplit | None, ece_bins: int) -> MetricValues:
    """Compute the metrics of model and baseline on held-out auxiliary texts, on which neither is calibrated.

    Args:
        scored: the model's answers.
        baseline: the baseline's answers; None where it is turned off.
        ece_bins: number of bins of the calibration error.
    """
    systems = {"": scored} | ({} if baseline is None else {"baseline_": baseline})
    values = {prefix: split_metrics(answers, "auxiliary", ece_bins) for prefix, answers in systems.items()}
    low, high = wilson_interval(int(np.sum(scored.predicted == scored.labels)), len(scored.labels))
    return {
        **{prefix + key: of[key] for prefix, of in values.items() for key, metric in METRICS.items() if metric.brief},
        **{"accuracy_low": low, "accuracy_high": high, "reviews": len(scored.labels)},
    }


def split_metrics(scored: ScoredSplit, name: str, ece_bins: int) -> MetricValues:
    """Compute the metrics of a classifier on a split.

    Args:
        scored: its answers.
        name: name of the split or system, for warnings.
        ece_bins: number of bins of the calibration error.
    """
    if scored.threshold is None:
        return multiclass_metrics(scored, ece_bins=ece_bins, name=name)
    return classification_metrics(
        scored.labels, scored.probabilities[:, 1], threshold=scored.threshold, ece_bins=ece_bins, name=name
    )


def collect_speed(
    run: Mapping[str, Any], reviews_per_second: float, baseline_seconds: float | None
) -> dict[str, dict[str, Any]]:
    """Collect what `reports/speed.json` holds: the speed of the training, of the predictions and of the baseline."""
    settings = {name: run[name] for name in ("reviews_per_second", "epochs", "device", "precision", "threads")}
    return {
        "train": {"seconds": run["train_seconds"], **settings},
        "predict": {"reviews_per_second": reviews_per_second},
        **({} if baseline_seconds is None else {"baseline": {"seconds": baseline_seconds}}),
    }
