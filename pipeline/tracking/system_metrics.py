"""System metrics of a training: the load of CPU, memory, disk and network, from MLflow's own monitor.

Only this module uses private parts of that monitor; a test lists them.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

SAMPLING_SECONDS = 5

log = logging.getLogger(__name__)


class SystemMetrics(SystemMetricsMonitor):
    """MLflow's monitor, logging through the training's outbox instead of calling the server.

    Args:
        run_id: of the run; sampling continues after the last step of the run.
        uri: of the store.
        log_metrics: called with values by name, and their step.
        measured: set once the run has a point of its training. The samples before are averaged into the first that is
            logged after it, because MLflow's page *Compare* draws the metric that a run logged first.
    """

    def __init__(
        self, run_id: str, uri: str, log_metrics: Callable[[Mapping[str, float], int], None], measured: threading.Event
    ) -> None:
        super().__init__(run_id, sampling_interval=SAMPLING_SECONDS, resume_logging=True, tracking_uri=uri)  # type: ignore[no-untyped-call]  # of mlflow
        self._log_metrics, self._measured = log_metrics, measured

    @classmethod
    def start_for(
        cls, run_id: str, uri: str, log_metrics: Callable[[Mapping[str, float], int], None], measured: threading.Event
    ) -> "SystemMetrics | None":
        """Start sampling; None, with a warning, if that fails: a training matters more than its system metrics."""
        try:
            monitor = cls(run_id, uri, log_metrics, measured)
            monitor.start()
        except Exception as error:
            log.warning("no system metrics: %s", error)
            return None
        return monitor

    def monitor(self) -> None:
        """Sample until `finish` is called."""
        while True:
            self.collect_metrics()
            if self._shutdown_event.wait(self.sampling_interval):
                return
            if self._measured.is_set():
                self.publish_metrics(self.aggregate_metrics())

    def publish_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log one sample of all monitors."""
        self._log_metrics({f"{self._metrics_prefix}{key}": value for key, value in metrics.items()}, self._logging_step)
        self._logging_step += 1
        for monitor in self.monitors:
            monitor.clear_metrics()
