"""Metrics on their way to MLflow: flat, defined, and in batches that it takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.entities import Metric

from pipeline.config.comparison import flatten
from pipeline.tracking.journal import METRICS_PER_CALL
from pipeline.tracking.store import Store


def defined_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return nested metrics under names such as `test/accuracy`, without texts and those that are None (undefined)."""
    return {key: float(value) for key, value in flatten(metrics, "/").items() if not isinstance(value, str | None)}


def send_points(store: Store, run_id: str, points: Sequence[Metric]) -> None:
    """Send any number of points to a run.

    Raises:
        MlflowException: the store failed.
    """
    for start in range(0, len(points), METRICS_PER_CALL):
        store.client.log_batch(run_id, metrics=points[start : start + METRICS_PER_CALL])
