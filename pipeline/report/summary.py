"""What `evaluate` reports: the metrics of all splits in one dictionary, and a table of them for people."""

from collections.abc import Mapping
from typing import Any

from pipeline.config.evaluation import EvaluationConfig
from pipeline.evaluation.bootstrap import intervals
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.metrics import Metrics, classification_metrics
from pipeline.evaluation.predictions import Scored
from pipeline.evaluation.slices import accuracies, worst_part
from pipeline.report.formatting import number, outcome, spoken

ON_VALIDATION = ("accuracy", "log_loss", "ece")


def collect_metrics(
    test: Scored, validation: Scored, baseline: Scored | None, slices: Columns, config: EvaluationConfig
) -> dict[str, Any]:
    """Everything in `reports/metrics.json`, in full precision.

    Args:
        test: the model's answers on the held-out split.
        validation: its answers where temperature and threshold were fixed, so that these metrics flatter a little.
        baseline: the baseline's answers on the same held-out split.
        slices: from `slice_table`.
        config: the number of bins.
    """
    worst = worst_part(slices)
    on_validation = _metrics(validation, "validation", config)
    return {
        "test": _metrics(test, "test", config),
        **({} if baseline is None else {"baseline": _metrics(baseline, "baseline", config)}),
        "validation": {name: on_validation[name] for name in ON_VALIDATION},
        "intervals": intervals(test, baseline),
        "slices": accuracies(slices),
        **({} if worst is None else {"worst_slice": {name: worst[name] for name in ("accuracy", "reviews")}}),
    }


def collect_speed(
    run: Mapping[str, Any], reviews_per_second: float, baseline_seconds: float | None
) -> dict[str, dict[str, Any]]:
    """Everything in `reports/speed.json`: of the training, the predictions and the baseline."""
    settings = {name: run[name] for name in ("reviews_per_second", "epochs", "device", "precision", "threads")}
    return {
        "train": {"seconds": run["train_seconds"], **settings},
        "predict": {"reviews_per_second": reviews_per_second},
        **({} if baseline_seconds is None else {"baseline": {"seconds": baseline_seconds}}),
    }


def format_report(metrics: Mapping[str, Any], slices: Columns, verdict: Mapping[str, Any]) -> str:
    """A table of the model beside the baseline on the test split, what else was judged, the verdict with its checks.

    Args:
        metrics: the content of `reports/metrics.json`.
        slices: from `slice_table`.
        verdict: from `verdict`.
    """
    systems = {"model": metrics["test"]} | ({"baseline": metrics["baseline"]} if "baseline" in metrics else {})
    title = f"{metrics['test']['reviews']:,} test reviews"
    lines = [f"{title:22}" + "".join(f"{name:>10}" for name in systems)]
    for name in metrics["test"]:
        if name != "reviews":
            lines.append(f"{name:22}" + "".join(f"{number(values[name]):>10}" for values in systems.values()))
    if (worst := worst_part(slices)) is not None:
        lines.append(f"worst slice: {worst['part']}: accuracy {worst['accuracy']:.4f}, {worst['reviews']:,} reviews")
    if pairs := metrics.get("contrast"):
        shares = ", ".join(f"{spoken(name)} {pairs[name]:.4f}" for name in pairs if name != "pairs")
        lines.append(f"{pairs['pairs']:,} contrast pairs: {shares}")
    if behaviour := metrics.get("behaviour"):
        rates = sorted(((found["failure_rate"], name) for name, found in behaviour.items()), reverse=True)
        most = ", ".join(f"{name} {rate:.1%}" for rate, name in rates[:3])
        lines.append(f"behaviour: {len(rates)} capabilities, most failures in {most}")
    lines.append(f"verdict: {outcome(verdict)}")
    for check in verdict["checks"]:
        bounds = [f"{bound} {check[bound]:g}" for bound in ("min", "max") if check[bound] is not None]
        value = f"{check['metric']} {number(check['value'])} ({', '.join(bounds)})"
        lines.append(f"  {check['name']}: {value}: {outcome(check)}")
    return "\n".join(lines)


def _metrics(scored: Scored, name: str, config: EvaluationConfig) -> Metrics:
    return classification_metrics(
        scored.labels, scored.probabilities, threshold=scored.threshold, ece_bins=config.ece_bins, name=name
    )
