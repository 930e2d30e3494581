"""System metrics of a training."""

import threading
import time
from pathlib import Path

import pytest
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store
from tests.tracking.conftest import points


def test_system_metrics_go_to_the_run_and_leave_no_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    key = "system/cpu_utilization_percentage"
    for start in range(2):
        with open_run(store, "run", {}, tmp_path / "run_id", system_metrics=True) as run:
            time.sleep(0.5)
            run.log_metrics({"val/accuracy": 0.5}, start)
            time.sleep(0.7)
    assert next(iter(store.client.get_run(run.run_id).data.metrics)) == "val/accuracy"  # drawn by *Compare*
    steps = [step for step, _ in points(store, run.run_id, key)]
    assert len(steps) > 2
    assert steps == list(range(len(steps)))
    assert "SystemMetricsMonitor" not in [thread.name for thread in threading.enumerate()]


def test_mlflows_monitor_still_has_its_private_parts(store: Store) -> None:
    """`SystemMetrics` uses them: a release of MLflow without one fails here."""
    run_id = store.client.create_run(store.experiment_id).info.run_id
    monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=store.uri)
    assert (monitor._metrics_prefix, monitor._logging_step) == ("system/", 0)
    assert not monitor._shutdown_event.is_set()
    assert callable(monitor.monitor)
    assert callable(monitor.publish_metrics)
    assert monitor.monitors
