"""Results of an evaluation, added to the run of the training: metrics, files, and a table in the run's description."""

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from pipeline.evaluation.columns import Columns
from pipeline.evaluation.metrics import HEADLINE, METRICS
from pipeline.report.formatting import interval, markdown_table, number
from pipeline.runtime.errors import PipelineError
from pipeline.tables.csv_lines import csv_text
from pipeline.tracking import artifacts
from pipeline.tracking.description import NOTE_TAG, with_result
from pipeline.tracking.errors import reason, translate_mlflow_errors
from pipeline.tracking.metric_points import changed_points, defined_metrics
from pipeline.tracking.query import find_run
from pipeline.tracking.store import Store
from pipeline.tracking.unsent import send_unsent

HEADLINE_OF: Mapping[str, Collection[str]] = {
    "test": HEADLINE,
    "baseline": [key for key, metric in METRICS.items() if metric.brief],
}
"""Parts of an evaluation of which only these metrics are logged to the run."""
NOT_LOGGED = {"val", "intervals", "slices", "behaviour", "worst_slice", "auxiliary", "contrast"}
"""Parts of which none are logged: the training has logged `val/…`, and the others are in its tables and reports."""
ACCURACY_OF_PART = re.compile(r"parts/(?!joint/)[^/]+/accuracy")
"""Name of the only metric that is logged for each part of the network."""
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

    Entries that the training could not send are sent first. A second call adds nothing. Another evaluation replaces the
    earlier one: figures and tables that it lacks are removed. MLflow cannot remove metrics: a warning names those that
    a whole evaluation, one with figures, no longer computes.

    Args:
        store: an open store.
        run_id: of the run.
        metrics: single values, nested or flat, of which `headline` is logged; None for one that is undefined.
        figures: a folder of pictures.
        reports: single files; of those that do not exist, an earlier evaluation's is removed.
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
        values, now = defined_metrics(metrics), get_current_time_millis()
        points = changed_points(store, run, headline(values))
        for key, curve in (curves or {}).items():
            if key not in run.data.metrics:
                points += [Metric(key, float(value), now, step) for step, value in enumerate(curve)]
        store.client.log_batch(run.info.run_id, metrics=points)
        description = with_metrics_table(run.data.tags.get(NOTE_TAG, ""), values)
        store.client.set_tag(run.info.run_id, NOTE_TAG, description)
        stale: list[str] = []
        if figures is not None and figures.is_dir():
            store.client.log_artifacts(run.info.run_id, str(figures), "figures")
            stale += _stored(store, run, "figures") - {f"figures/{file.name}" for file in figures.iterdir()}
            _warn_of_stale_metrics(store, run, values)
        for name, table in (tables or {}).items():
            text = csv_text(list(table), zip(*table.values(), strict=True))
            store.client.log_text(run.info.run_id, text, f"tables/{name}.csv")
        if tables:
            stale += _stored(store, run, "tables") - {f"tables/{name}.csv" for name in tables}
        missing = set()
        for report in reports:
            if report.exists():
                store.client.log_artifact(run.info.run_id, str(report), "reports")
            else:
                missing.add(f"reports/{report.name}")
        stale += _stored(store, run, "reports") & missing if missing else ()
        if stale:
            _remove_stale(store, run, stale)
        return True


def _stored(store: Store, run: StoredRun, folder: str) -> set[str]:
    return {f"{folder}/{name}" for name in artifacts.file_names(store, run.info.artifact_uri, folder)}


def _remove_stale(store: Store, run: StoredRun, stale: Sequence[str]) -> None:
    """Remove files of an earlier evaluation; warn about those that the store keeps."""
    left, problem = set(stale), "the store of its files removes none"  # some of MLflow's do not, and say nothing
    try:
        for path in stale:
            artifacts.delete(store, run.info.artifact_uri, run.info.run_id, path)
        left &= {path for folder in ("figures", "tables", "reports") for path in _stored(store, run, folder)}
    except (MlflowException, PipelineError, OSError) as error:
        problem = reason(error)
    if left:
        names = ", ".join(sorted(left))
        log.warning("MLflow run %s keeps files of an earlier evaluation, %s: %s", run.info.run_id, names, problem)


def _warn_of_stale_metrics(store: Store, run: StoredRun, values: Mapping[str, float]) -> None:
    parts = (*HEADLINE_OF, "parts")
    stale = [key for key in headline(run.data.metrics) if key.partition("/")[0] in parts and key not in values]
    if stale:
        log.warning(
            "MLflow run %s in %s keeps metrics of an earlier evaluation, which this one did not compute: %s",
            *(run.info.run_id, store.name, ", ".join(sorted(stale))),
        )


def headline(values: Mapping[str, float]) -> dict[str, float]:
    """Select the metrics of an evaluation that are logged to a run; `values` are by name, such as `test/accuracy`."""
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
            bounds = (intervals or {}).get(key)
            defined = bounds is not None and bounds["low"] is not None
            value = f"{number(test[key])} ({interval(bounds)})" if defined else number(test[key])
            rows.append([metric.name, value, number(baseline[key]) if key in baseline else ""])
    return markdown_table(["test split", "this model", "NB-weighted logistic regression"], rows)
