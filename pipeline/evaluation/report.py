"""What `evaluate` reports: the metrics of all splits in one dictionary, and a table of them for people."""

from collections.abc import Mapping
from typing import Any

from pipeline.config import EvaluationConfig
from pipeline.evaluation.bootstrap import intervals
from pipeline.evaluation.curves import accuracy_by_length
from pipeline.evaluation.metrics import Metrics, classification_metrics
from pipeline.evaluation.scoring import Scored

ON_VALIDATION = ("accuracy", "log_loss", "ece")


def collect_metrics(
    test: Scored, validation: Scored, baseline: Scored | None, config: EvaluationConfig
) -> dict[str, Any]:
    """Everything in `reports/metrics.json`, in full precision.

    Args:
        test: the model's answers on the held-out split.
        validation: its answers where temperature and threshold were fixed, so that these metrics flatter a little.
        baseline: the baseline's answers on the same held-out split.
        config: bins and length classes.
    """
    by_length = accuracy_by_length(test, config.length_edges)
    on_validation = _metrics(validation, "validation", config)
    return {
        "test": _metrics(test, "test", config),
        **({} if baseline is None else {"baseline": _metrics(baseline, "baseline", config)}),
        "validation": {name: on_validation[name] for name in ON_VALIDATION},
        "intervals": intervals(test, baseline),
        "test_by_length": dict(zip(by_length["length"], by_length["accuracy"], strict=True)),
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


def format_report(metrics: Mapping[str, Metrics], verdict: Mapping[str, Any]) -> str:
    """A table of the model beside the baseline on the test split, and the verdict with its checks."""
    systems = {"model": metrics["test"]} | ({"baseline": metrics["baseline"]} if "baseline" in metrics else {})
    title = f"{metrics['test']['reviews']:,} test reviews"
    lines = [f"{title:22}" + "".join(f"{name:>10}" for name in systems)]
    for name in metrics["test"]:
        if name != "reviews":
            lines.append(f"{name:22}" + "".join(f"{_number(values[name]):>10}" for values in systems.values()))
    lines.append(f"verdict: {_outcome(verdict)}")
    for check in verdict["checks"]:
        bounds = [f"{bound} {check[bound]:g}" for bound in ("min", "max") if check[bound] is not None]
        value = f"{check['metric']} {_number(check['value'])} ({', '.join(bounds)})"
        lines.append(f"  {check['name']}: {value}: {_outcome(check)}")
    return "\n".join(lines)


def _metrics(scored: Scored, name: str, config: EvaluationConfig) -> Metrics:
    return classification_metrics(
        scored.labels, scored.probabilities, threshold=scored.threshold, ece_bins=config.ece_bins, name=name
    )


def _number(value: float | int | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _outcome(result: Mapping[str, Any]) -> str:
    return "passed" if result["passed"] else "FAILED"
