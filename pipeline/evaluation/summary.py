"""Assemble `reports/details.json`, `reports/metrics.json` and `reports/speed.json`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.objective import ObjectiveConfig
from pipeline.evaluation.binary import binary_metrics
from pipeline.evaluation.bootstrap import bootstrap_intervals
from pipeline.evaluation.columns import Columns, as_columns
from pipeline.evaluation.label_metrics import label_metrics
from pipeline.evaluation.metrics import METRICS, MetricValues, objective_key
from pipeline.evaluation.multiclass import multiclass_metrics
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import accuracies, worst_slice
from pipeline.inference.wilson import wilson_interval


def collect_metrics(
    test: ScoredSplit,
    validation: ScoredSplit | None,
    baseline: ScoredSplit | None,
    slices: Columns,
    config: EvaluationConfig,
    baseline_name: str = "baseline",
) -> dict[str, Any]:
    """Compute the part of `reports/details.json` that is about the splits, in full precision.

    Args:
        test: the model's answers on the held-out split.
        validation: its answers on the split that temperature and threshold were fitted on, so that these metrics are a
            little optimistic; None to leave them out.
        baseline: the baseline's answers on the same held-out split.
        slices: from `slice_table`.
        config: the number of bins of the calibration error, and the objective.
        baseline_name: names the baseline in warnings.
    """
    worst = worst_slice(slices)
    systems = {"test": (test, test.split)} | ({} if baseline is None else {"baseline": (baseline, baseline_name)})
    on_validation = {} if validation is None else split_metrics(validation, validation.split, config)
    brief_keys = {key for key, metric in METRICS.items() if metric.brief} | {objective_key(config.objective.metric)}
    brief = {key: on_validation[key] for key in METRICS if key in brief_keys and key in on_validation}
    return {
        **{part: split_metrics(scored, name, config) for part, (scored, name) in systems.items()},
        **({} if validation is None else {"val": brief}),
        "intervals": bootstrap_intervals(test, baseline, objective=config.objective),
        "slices": accuracies(slices),
        **({} if worst is None else {"worst_slice": {key: worst[key] for key in ("part", "accuracy", "reviews")}}),
    }


def headline_metrics(details: Mapping[str, Any], objective: ObjectiveConfig) -> dict[str, Any]:
    """Select the content of `reports/metrics.json`: the few details that `dvc metrics` and `dvc exp` compare.

    Args:
        details: from `collect_metrics`.
        objective: its metric is among them.
    """
    first = ("accuracy", objective_key(objective.metric))
    keys = {
        "test": (*first, "roc_auc", "log_loss", "ece"),
        "baseline": first,
        "val": first,
    }
    return {part: {key: details[part][key] for key in of_part} for part, of_part in keys.items() if part in details}


def metric_table(details: Mapping[str, Any]) -> Columns:
    """Return the metrics on the test split with their 95 % intervals, beside the baseline's, as a table for people."""
    intervals, baseline = details["intervals"], details.get("baseline", {})
    rows = []
    for key, metric in METRICS.items():
        if key not in details["test"]:
            continue
        row = {"metric": metric.name, "test": details["test"][key]}
        bounds = {f"test_{side}": intervals["test"].get(key, {}).get(side) for side in ("low", "high")}
        row |= bounds | ({"baseline": baseline[key]} if baseline else {})
        if baseline:
            difference = intervals["difference"].get(key, {})
            row |= {f"difference_{side}": difference.get(side) for side in ("low", "high")}
        rows.append(row)
    return as_columns(rows)


def auxiliary_metrics(scored: ScoredSplit, baseline: ScoredSplit | None, config: EvaluationConfig) -> MetricValues:
    """Compute the metrics of model and baseline on held-out auxiliary texts, on which neither is calibrated.

    Args:
        scored: the model's answers.
        baseline: the baseline's answers; None where it is turned off.
        config: as for `collect_metrics`.
    """
    systems = {"": scored} | ({} if baseline is None else {"baseline_": baseline})
    values = {prefix: split_metrics(answers, "auxiliary", config) for prefix, answers in systems.items()}
    low, high = wilson_interval(int(np.sum(scored.predicted == scored.labels)), len(scored.labels))
    return {
        **{
            prefix + key: metrics[key]
            for prefix, metrics in values.items()
            for key, metric in METRICS.items()
            if metric.brief and key in metrics
        },
        **{"accuracy_low": low, "accuracy_high": high, "reviews": len(scored.labels)},
    }


def split_metrics(scored: ScoredSplit, name: str, config: EvaluationConfig) -> MetricValues:
    """Compute the metrics of a classifier on a split.

    Args:
        scored: its answers.
        name: name of the split or system, for warnings.
        config: as for `collect_metrics`.
    """
    bins, threshold = config.ece_bins, scored.rule.threshold
    if threshold is None:
        return multiclass_metrics(scored, ece_bins=bins, name=name, objective=config.objective)
    values = {
        **binary_metrics(scored.labels, scored.probabilities[:, 1], threshold=threshold, ece_bins=bins, name=name),
        **label_metrics(scored, config.objective),
    }
    return {key: values[key] for key in (*METRICS, "reviews") if key in values}


def collect_speed(
    run: Mapping[str, Any], reviews_per_second: float, baseline_seconds: float | None
) -> dict[str, dict[str, Any]]:
    """Collect the content of `reports/speed.json`: the speed of training, predictions and baseline."""
    settings = {name: run[name] for name in ("reviews_per_second", "epochs", "device", "precision", "threads")}
    return {
        "train": {"seconds": run["train_seconds"], **settings},
        "predict": {"reviews_per_second": reviews_per_second},
        **({} if baseline_seconds is None else {"baseline": {"seconds": baseline_seconds}}),
    }
