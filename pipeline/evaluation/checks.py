"""May this model be registered? The checks that need no registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.comparison import flatten
from pipeline.config.registry import CheckConfig
from pipeline.evaluation.records import VerdictRecord
from pipeline.runtime.checksum import content_digest
from pipeline.runtime.errors import PipelineError

JUDGED = {
    "model": "artifacts/model",
    "predictions": "artifacts/predictions.parquet",
    "metrics": "reports/metrics.json",
}


def verdict(metrics: Mapping[str, Any], checks: Mapping[str, CheckConfig]) -> dict[str, Any]:
    """Compare metrics with the bounds set in `registry.checks`.

    Args:
        metrics: the nested dictionary of `reports/metrics.json`.
        checks: by name; `metric` is a dotted path such as `test.accuracy`.

    Returns:
        `{"passed": bool, "checks": [{"name", "metric", "value", "min", "max", "passed"}, …]}`. Bounds are inclusive.
        A metric that is undefined (None) passes no check.

    Raises:
        PipelineError: a check names a metric there is not.
    """
    values = flatten(metrics)
    results = []
    for name, check in checks.items():
        if check.metric not in values:
            raise PipelineError(
                f"registry.checks.{name}.metric: no metric {check.metric!r}; there are {', '.join(values)}"
            )
        value = values[check.metric]
        results.append(
            {
                "name": name,
                "metric": check.metric,
                "value": value,
                "min": check.min,
                "max": check.max,
                "passed": _within(value, check),
            }
        )
    return {"passed": all(result["passed"] for result in results), "checks": results}


def judged(workspace: Path) -> dict[str, str | None]:
    """Digests of what a verdict is about: the model, its predictions and its metrics."""
    return {name: content_digest(workspace / path) for name, path in JUDGED.items()}


def require_judged(verdict: VerdictRecord, workspace: Path) -> None:
    """Refuse a verdict on another model, other predictions or other metrics than those in the checkout.

    Args:
        verdict: `reports/verdict.json`.
        workspace: the checkout.

    Raises:
        PipelineError: names what it is not about.
    """
    for name, digest in judged(workspace).items():
        if verdict.judged.get(name) != digest:
            raise PipelineError(
                f"{workspace / JUDGED[name]} is not what reports/verdict.json judges: another command has changed it; "
                "evaluate again with `dvc repro --single-item --force evaluate`, then `dvc repro`"
            )


def _within(value: float | int | None, check: CheckConfig) -> bool:
    return value is not None and (check.min is None or value >= check.min) and (check.max is None or value <= check.max)
