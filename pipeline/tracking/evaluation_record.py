"""Results of an evaluation, added to the run of the training: metrics, files, and a table in the run's description."""

import logging
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from pipeline.evaluation.columns import Columns
from pipeline.evaluation.metrics import HEADLINE, METRICS
from pipeline.report.formatting import interval, markdown_table, number
from pipeline.tables.csv_lines import csv_text
from pipeline.tracking.description import NOTE_TAG, with_result
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.metric_points import defined_metrics, send_points
from pipeline.tracking.query import find_run
from pipeline.tracking.store import Store
from pipeline.tracking.unsent import send_unsent

HEADLINE_OF: Mapping[str, Collection[str]] = {
    "test": HEADLINE,
    "baseline": [key for key, metric in METRICS.items() if metric.brief],
}
"""Parts of an evaluation of which a run gets only these metrics."""
NOT_LOGGED = {"val", "intervals", "slices", "behaviour", "worst_slice", "auxiliary", "contrast"}
"""Parts of which a run gets none: the training has logged `val/…`, and the others are in its tables and reports."""
ACCURACY_OF_PART = re.compile(r"parts/(?!joint/)[^/]+/accuracy")
"""Name of the only metric that a run gets of each part of the network."""
log = logging.getLogger(__name__)


def log_evaluation(
    store: Store,
    run_id: str | None,
    metrics: Mapping[str, Any],
    figures: Path | None,
    reports: Iterable[Path],
    curves: Mapping[str, Sequence[float]] | None = None,
    tables: Mapping[str, Columns] | None = None,
) -> bool:
    """Add headline metrics, tables, figures and reports to a run, and a table to its description; its status stays.

    Whatever the training could not send goes first. A second call adds nothing.

    Args:
        store: an open store.
        run_id: of the run.
        metrics: single values, nested or flat, of which the run gets `headline`; None for one that is undefined.
        figures: a folder of pictures.
        reports: single files.
        curves: metrics with a value for each step, from step 0; a curve that the run already has is left as it is.
        tables: become CSV files, which MLflow shows as tables.

    Returns:
        False if the store does not know the run: it was deleted, or made on another machine.
    """
    with translate_mlflow_errors(store.uri):
        send_unsent(store)
        run = find_run(store, run_id)
        if run is None:
            log.info("MLflow run %s is not in %s: the evaluation is in reports/ alone", run_id, store.name)
            return False
        now, values = int(time.time() * 1000), defined_metrics(metrics)
        logged = run.data.metrics
        points = [Metric(key, value, now, 0) for key, value in headline(values).items() if logged.get(key) != value]
        for key, curve in (curves or {}).items():
            if key not in logged:
                points += [Metric(key, float(value), now, step) for step, value in enumerate(curve)]
        send_points(store, run.info.run_id, points)
        description = with_metrics_table(run.data.tags.get(NOTE_TAG, ""), values)
        store.client.set_tag(run.info.run_id, NOTE_TAG, description)
        if figures is not None and figures.is_dir():
            store.client.log_artifacts(run.info.run_id, str(figures), "figures")
        for name, table in (tables or {}).items():
            text = csv_text(list(table), zip(*table.values(), strict=True))
            store.client.log_text(run.info.run_id, text, f"tables/{name}.csv")
        for report in reports:
            store.client.log_artifact(run.info.run_id, str(report), "reports")
        return True


def headline(values: Mapping[str, float]) -> dict[str, float]:
    """Select the metrics that a run gets of an evaluation; `values` are by name, such as `test/accuracy`."""
    return {name: value for name, value in values.items() if _is_headline(name)}


def _is_headline(name: str) -> bool:
    part, _, key = name.partition("/")
    if part == "parts":
        return ACCURACY_OF_PART.fullmatch(name) is not None
    return part not in NOT_LOGGED and key in HEADLINE_OF.get(part, [key])


def with_metrics_table(description: str, metrics: Mapping[str, float]) -> str:
    """Return a run's description that begins with the table of test figures, in place of an earlier result.

    Args:
        description: of a run.
        metrics: flat, such as `test/accuracy` and `baseline/accuracy`; without test figures the description stays.
    """
    test, baseline = (
        {key: metrics[f"{part}/{key}"] for key in HEADLINE if f"{part}/{key}" in metrics}
        for part in ("test", "baseline")
    )
    if not test:
        return description
    return with_result(description, headline_table(test, baseline))


def headline_table(
    test: Mapping[str, float | None],
    baseline: Mapping[str, float | None],
    intervals: Mapping[str, Mapping[str, float | None]] | None = None,
) -> str:
    """Return the headline figures on the test split beside the baseline's, as a Markdown table.

    Args:
        test: figures of the model.
        baseline: figures of the baseline; may be empty.
        intervals: `low` and `high` of some of the model's figures.
    """
    rows = []
    for key, metric in HEADLINE.items():
        if key in test:
            bounds = interval((intervals or {}).get(key))
            value = f"{number(test[key])} ({bounds})" if bounds else number(test[key])
            rows.append([metric.name, value, number(baseline[key]) if key in baseline else ""])
    return markdown_table(["test split", "this model", "NB-weighted logistic regression"], rows)
