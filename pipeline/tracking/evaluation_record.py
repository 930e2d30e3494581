"""What evaluation adds to the run of a training that has ended."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric

from pipeline.tracking.description import NOTE_TAG, with_figures
from pipeline.tracking.journal import POINTS
from pipeline.tracking.outbox import send_unsent
from pipeline.tracking.run import find_run
from pipeline.tracking.store import Store, translate_mlflow_errors

log = logging.getLogger(__name__)


def log_evaluation(
    store: Store,
    run_id: str | None,
    metrics: Mapping[str, float],
    figures: Path | None,
    reports: Iterable[Path],
    curves: Mapping[str, Sequence[float]] | None = None,
) -> bool:
    """Add metrics, figures and reports to a run, and a table to its description; its status stays.

    What the training could not send goes first. Repeating it adds nothing.

    Args:
        store: an open store.
        run_id: of the run.
        metrics: single values.
        figures: a folder of pictures.
        reports: single files.
        curves: metrics with a value for each step, from step 0; one the run has already is left as it is.

    Returns:
        False if the store does not know the run: it was deleted, or made on another machine.
    """
    with translate_mlflow_errors(store.uri):
        send_unsent(store)
        run = find_run(store, run_id)
        if run is None:
            log.info("MLflow run %s is not in %s: the evaluation is in reports/ alone", run_id, store.name)
            return False
        now = int(time.time() * 1000)
        news = [
            Metric(key, float(value), now, 0) for key, value in metrics.items() if run.data.metrics.get(key) != value
        ]
        for key, curve in (curves or {}).items():
            if key not in run.data.metrics:
                news += [Metric(key, float(value), now, step) for step, value in enumerate(curve)]
        for start in range(0, len(news), POINTS):
            store.client.log_batch(run.info.run_id, metrics=news[start : start + POINTS])
        description = with_figures(run.data.tags.get(NOTE_TAG, ""), metrics)
        store.client.set_tag(run.info.run_id, NOTE_TAG, description)
        if figures is not None and figures.is_dir():
            store.client.log_artifacts(run.info.run_id, str(figures), "figures")
        for report in reports:
            store.client.log_artifact(run.info.run_id, str(report), "reports")
        return True
