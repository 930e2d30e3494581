"""The report of an evaluation as one page that opens offline.

The template `pages/report.html` holds the text; this module prepares its numbers and figures. None of them varies
from run to run: equal models on equal data give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS
from pipeline.config.labels import LABELS
from pipeline.evaluation.columns import Columns, as_rows
from pipeline.evaluation.metrics import HEADLINE, Metric
from pipeline.evaluation.mistakes import MISTAKES_SHOWN, Mistake
from pipeline.evaluation.slices import ENOUGH_REVIEWS, rows_of_slice, worst_part
from pipeline.pages.rendering import embedded_png, write_page
from pipeline.report import formatting
from pipeline.report.data_record import DataRecord

FILTERS = {
    function.__name__: function
    for function in (
        formatting.bound,
        formatting.count,
        formatting.interval,
        formatting.number,
        formatting.outcome,
        formatting.percent,
        formatting.percent_interval,
        formatting.readable,
    )
}

TableRow = Mapping[str, Any]


@dataclass(frozen=True)
class Findings:
    """The results of an evaluation, and what it is about."""

    metrics: Mapping[str, Any]
    """Content of `reports/metrics.json`."""
    checks: Mapping[str, Any]
    """Outcome of the checks, as in `reports/verdict.json`."""
    tables: Mapping[str, Columns]
    """Content of `reports/plots/`, by file name."""
    figures: Path
    """`reports/figures/`, already drawn."""
    mistakes: Sequence[Mistake]
    behaviour: Mapping[str, Any]
    """Content of `reports/behaviour.json`."""
    learning_curve: Columns
    ladder: Mapping[str, Any] | None
    """Content of `reports/memory_ladder.json`, if it is of the same dataset."""
    data: DataRecord | None
    """Content of `reports/data.json`."""
    training_tags: Mapping[str, str]
    """Tags of the training, from `artifacts/run.json`."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval."""

    value: float | None
    interval: Mapping[str, float | None] | None


@dataclass(frozen=True)
class MetricRow:
    """A metric of each system."""

    metric: Metric
    model: Estimate
    baseline: Estimate | None
    difference: Estimate | None
    """Model minus baseline."""


@dataclass(frozen=True)
class ConfusionRow:
    """Predictions for the reviews of one label."""

    label: str
    counts: Sequence[int]
    """Reviews by predicted label, in the order of `LABELS`."""
    correct: float | None
    """Share of them that is predicted correctly; None where there are no such reviews."""


@dataclass(frozen=True)
class PageContext:
    """Everything that the template of the report shows."""

    model: str | None
    corpus: str | None
    labels: Sequence[str]
    reviews: int
    metrics: Mapping[str, MetricRow]
    """The headline metrics by key."""
    compared: bool
    """There is a baseline."""
    checks: Mapping[str, Any]
    confusion: Sequence[ConfusionRow]
    reliability: Sequence[TableRow]
    scores: Sequence[TableRow]
    slices: Mapping[str, Sequence[TableRow]]
    length: str
    """Name of the slice by length."""
    unknown_words: str
    """Name of the slice by share of unknown words."""
    worst: TableRow | None
    enough_reviews: int
    capabilities: Sequence[TableRow]
    examples: Mapping[str, Any]
    contrast: Mapping[str, Any] | None
    mistakes: Sequence[Mistake]
    most_mistakes: int
    learning_curve: Sequence[TableRow]
    ladder: Mapping[str, Any]
    """Measurements by network; empty if there is no memory ladder."""
    data: DataRecord | None
    tags: Mapping[str, str]
    pictures: Mapping[str, str]
    """Each figure as the `src` of an image, by name."""


def write_report(path: Path, findings: Findings) -> None:
    """Write the page; sections without content are left out."""
    write_page(path, "report.html", FILTERS, report=page_context(findings))


def page_context(findings: Findings) -> PageContext:
    """Collect what the template needs."""
    metrics, tables, slices = findings.metrics, findings.tables, findings.tables["slices"]
    return PageContext(
        model=findings.training_tags.get("model"),
        corpus=findings.training_tags.get("corpus"),
        labels=LABELS,
        reviews=metrics["test"]["reviews"],
        metrics={key: _metric_row(metrics, key) for key in HEADLINE},
        compared="baseline" in metrics,
        checks=findings.checks,
        confusion=_confusion(tables["confusion"]),
        reliability=as_rows(tables["reliability"]),
        scores=as_rows(tables["score_histogram"]),
        slices={name: as_rows(rows_of_slice(slices, name)) for name in dict.fromkeys(slices["slice"])},
        length=LENGTH,
        unknown_words=UNKNOWN_WORDS,
        worst=worst_part(slices),
        enough_reviews=ENOUGH_REVIEWS,
        capabilities=as_rows(tables["behaviour"]),
        examples=findings.behaviour,
        contrast=metrics.get("contrast"),
        mistakes=findings.mistakes,
        most_mistakes=MISTAKES_SHOWN,
        learning_curve=as_rows(findings.learning_curve),
        ladder=findings.ladder["models"] if findings.ladder else {},
        data=findings.data,
        tags=findings.training_tags,
        pictures={picture.stem: embedded_png(picture) for picture in sorted(findings.figures.glob("*.png"))},
    )


def _metric_row(metrics: Mapping[str, Any], key: str) -> MetricRow:
    intervals = metrics["intervals"]
    model = Estimate(metrics["test"][key], intervals["test"].get(key))
    if "baseline" not in metrics:
        return MetricRow(HEADLINE[key], model, None, None)
    baseline = Estimate(metrics["baseline"][key], intervals["baseline"].get(key))
    undefined = model.value is None or baseline.value is None
    value = None if undefined else metrics["test"][key] - metrics["baseline"][key]
    return MetricRow(HEADLINE[key], model, baseline, Estimate(value, intervals["difference"].get(key)))


def _confusion(table: Columns) -> list[ConfusionRow]:
    actual, predicted = (np.asarray(table[key]) for key in ("actual", "predicted"))
    rows = []
    for label in LABELS:
        of_label = predicted[actual == label]
        counts = [int((of_label == other).sum()) for other in LABELS]
        rows.append(ConfusionRow(label, counts, float((of_label == label).mean()) if len(of_label) else None))
    return rows
