"""May this model be registered? The checks that need no registry."""

from collections.abc import Mapping
from typing import Any

from pipeline.config import CheckConfig, flatten
from pipeline.errors import PipelineError


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


def _within(value: float | int | None, check: CheckConfig) -> bool:
    return value is not None and (check.min is None or value >= check.min) and (check.max is None or value <= check.max)
