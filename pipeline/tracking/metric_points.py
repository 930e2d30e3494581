"""Metrics for MLflow: flat, defined, and with later timestamps than those that the run has."""

from collections.abc import Mapping
from typing import Any

from mlflow.entities import Metric
from mlflow.entities import Run as StoredRun
from mlflow.utils.time import get_current_time_millis

from pipeline.config.comparison import flatten
from pipeline.tracking.store import Store


def defined_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return nested metrics under names such as `test/accuracy`, without texts and those that are None (undefined)."""
    return {key: float(value) for key, value in flatten(metrics, "/").items() if not isinstance(value, str | None)}


def changed_points(store: Store, run: StoredRun, values: Mapping[str, float]) -> list[Metric]:
    """Return a point at step 0 for each value that the run does not have.

    Of several points at one step MLflow shows the one with the latest timestamp, which may be from the clock of another
    machine. A new point is given a later one than earlier points, even if the present clock is slow.

    Raises:
        MlflowException: the store failed.
    """
    points = []
    for key, value in values.items():
        if run.data.metrics.get(key) != value:
            earlier = store.client.get_metric_history(run.info.run_id, key) if key in run.data.metrics else []
            now = max([get_current_time_millis(), *(point.timestamp + 1 for point in earlier)])
            points.append(Metric(key, value, now, 0))
    return points
