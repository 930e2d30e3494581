"""Metrics of the fast server in the text format of Prometheus."""

from collections.abc import Callable, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from pipeline.inference.predictor import Prediction

SECOND_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
"""Upper bounds of the buckets of `sentiment_request_seconds`."""
TEXT_BUCKETS = (1, 2, 4, 8, 16, 32, 100, 1000, 10_000)
"""Upper bounds of the buckets of `sentiment_batch_texts`."""


class Metrics:
    """Counts of a server, and the memory and CPU time of its process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "sentiment_requests", "Requests by the status of their answer.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "sentiment_request_seconds",
            "Seconds from the headers of a request to its predictions.",
            buckets=SECOND_BUCKETS,
            registry=self._registry,
        )
        self._predictions = Counter(
            "sentiment_predictions", "Texts answered by label.", ["label"], registry=self._registry
        )
        self._batches = Histogram(
            "sentiment_batch_texts", "Texts that were computed together.", buckets=TEXT_BUCKETS, registry=self._registry
        )
        self._reloads = Counter(
            "sentiment_reloads",
            "Promoted versions that were loaded, or could not be.",
            ["outcome"],
            registry=self._registry,
        )
        self._model = Gauge("sentiment_model", "1 for the model that answers.", ["model"], registry=self._registry)

    def count_request(self, status: int, seconds: float) -> None:
        """Count a request; only the time of those that were answered with predictions is recorded."""
        self._requests.labels(status).inc()
        if status == 200:
            self._seconds.observe(seconds)

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count the labels of an answer."""
        for prediction in predictions:
            self._predictions.labels(prediction.label).inc()

    def count_batch(self, texts: int) -> None:
        """Record the size of a batch."""
        self._batches.observe(texts)

    def count_reload(self, loaded: bool) -> None:
        """Count a promoted version that was loaded, or could not be."""
        self._reloads.labels("loaded" if loaded else "failed").inc()

    def show_model(self, address: str) -> None:
        """Show which model answers from now on."""
        self._model.clear()
        self._model.labels(address).set(1)

    def show_waiting(self, texts: Callable[[], float]) -> None:
        """Show how many texts wait or are computed, whenever the metrics are read."""
        Gauge("sentiment_waiting_texts", "Texts that wait or are computed now.", registry=self._registry).set_function(
            texts
        )

    def text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self._registry)
