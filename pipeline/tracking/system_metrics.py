"""The load of processor, memory, disk and network while a training runs."""

import logging
from collections.abc import Callable, Mapping

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

SECONDS = 5

log = logging.getLogger(__name__)


class SystemMetrics(SystemMetricsMonitor):
    """MLflow's monitor, but it asks nothing of the server while it runs, and logs as the training itself does.

    Args:
        run_id: of the run; sampling goes on after the last step there is, which for a new run is the first.
        uri: of the store.
        log_metrics: takes values by name, and their step.
    """

    def __init__(self, run_id: str, uri: str, log_metrics: Callable[[Mapping[str, float], int], None]) -> None:
        super().__init__(run_id, sampling_interval=SECONDS, resume_logging=True, tracking_uri=uri)  # type: ignore[no-untyped-call]
        self._log_metrics = log_metrics

    @classmethod
    def start_for(
        cls, run_id: str, uri: str, log_metrics: Callable[[Mapping[str, float], int], None]
    ) -> "SystemMetrics | None":
        """Start sampling, or say why not: a training is worth more than the load of its processor."""
        try:
            monitor = cls(run_id, uri, log_metrics)
            monitor.start()  # type: ignore[no-untyped-call]
        except Exception as error:
            log.warning("no system metrics: %s", error)
            return None
        return monitor

    def monitor(self) -> None:
        """Sample until `finish`."""
        while True:
            self.collect_metrics()  # type: ignore[no-untyped-call]
            if self._shutdown_event.wait(self.sampling_interval):
                return
            self.publish_metrics(self.aggregate_metrics())  # type: ignore[no-untyped-call]

    def publish_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log one sample of all monitors."""
        self._log_metrics({f"{self._metrics_prefix}{key}": value for key, value in metrics.items()}, self._logging_step)
        self._logging_step += 1
        for monitor in self.monitors:
            monitor.clear_metrics()  # type: ignore[no-untyped-call]
