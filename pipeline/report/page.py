"""The report of an evaluation as one page that opens offline.

The template `pages/report.html` holds the text; this module prepares its numbers and figures. None of them varies
from run to run: equal models on equal data give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS
from pipeline.evaluation.columns import Columns, as_rows
from pipeline.evaluation.metrics import HEADLINE, METRICS, objective_key
from pipeline.evaluation.mistakes import MISTAKES_SHOWN, Mistake
from pipeline.evaluation.slices import ENOUGH_REVIEWS, rows_of_slice, worst_slice
from pipeline.pages.rendering import write_page
from pipeline.report import formatting
from pipeline.report.class_names import is_numbered, names_in_figures
from pipeline.report.data_record import DataRecord
from pipeline.report.figure_confusion import FEW_CLASSES
from pipeline.report.figure_curves import CLASS_LINES
from pipeline.report.findings import Findings, Judgement
from pipeline.report.plot_tables import confusion_matrix
from pipeline.report.theme import themed_svg

FILTERS = {
    function.__name__: function
    for function in (
        formatting.bound,
        formatting.count,
        formatting.interval,
        formatting.number,
        formatting.outcome,
        formatting.p_value,
        formatting.percent,
        formatting.percent_interval,
        formatting.readable,
    )
}

TableRow = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval."""

    value: float | None
    interval: Mapping[str, float | None] | None


@dataclass(frozen=True)
class MetricRow:
    """A metric of each system."""

    name: str
    explanation: str
    higher_is_better: bool
    model: Estimate
    baseline: Estimate | None
    difference: Estimate | None
    """Model minus baseline."""


@dataclass(frozen=True)
class ConfusionRow:
    """Predictions for the reviews of one label."""

    label: str
    counts: Sequence[int]
    """Reviews by predicted label, in the order of the classes."""
    correct: float | None
    """Share of them that is predicted correctly; None where there are no such reviews."""


@dataclass(frozen=True)
class PageContext:
    """Everything that the template of the report shows."""

    title: str
    judgement: Judgement | None
    kind: str
    """Names the reviews: `test` or `judged`."""
    classes: Sequence[str]
    drawn_otherwise: Mapping[str, str]
    """Classes with another name in the figures, and that name."""
    few_classes: int
    """Maximum number of classes whose confusion matrix has the size of the other figures."""
    max_lines: int
    """Maximum number of classes with curves of their own."""
    reviews: int
    metrics: Mapping[str, MetricRow]
    """The objective's metric and the headline metrics by key."""
    objective: MetricRow | None
    """The objective's metric; None for accuracy, with which the page begins anyway."""
    precision: float | None
    """Precision that the objective asks for."""
    baseline: str | None
    """Name of the baseline or of the other model; None if there is neither."""
    baseline_sample: Mapping[str, int] | None
    """Content of `baseline_sample` in `reports/details.json`."""
    checks: Mapping[str, Any]
    confusion: Sequence[ConfusionRow]
    reliability: Sequence[TableRow]
    scores: Sequence[Sequence[float]]
    """Middle of each bin of the scores, and the reviews in it by label; of more than two classes by right and wrong."""
    by_class: Sequence[TableRow]
    """Metrics of each class; empty for two."""
    parts: Mapping[str, Any]
    """Content of `parts` in `reports/details.json`: first the recurrent part; empty for a network of one path."""
    auxiliary: Mapping[str, Any] | None
    """Content of `auxiliary` in `reports/details.json`, and their `name`."""
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
    inapplicable: Sequence[str]
    mistakes: Sequence[Mistake]
    max_mistakes: int
    learning_curve: Sequence[TableRow]
    ladder: Mapping[str, Any]
    """Measurements by network; empty if there is no memory ladder."""
    data: DataRecord | None
    tags: Mapping[str, str]
    pictures: Mapping[str, str]
    """Each figure as an SVG element, by name."""


def write_report(path: Path, findings: Findings) -> None:
    """Write the page; sections without content are left out."""
    write_page(path, "report.html", FILTERS, report=page_context(findings))


def page_context(findings: Findings) -> PageContext:
    """Collect what the template needs."""
    metrics, tables, slices = findings.metrics, findings.tables, findings.tables["slices"]
    two, drawn, judgement = len(findings.classes) == 2, names_in_figures(findings.classes), findings.judgement
    objective = findings.objective
    first = objective_key(objective.metric)
    keys = (key for key in dict.fromkeys((first, *HEADLINE)) if key in metrics["test"])
    rows = {key: _metric_row(metrics, key, findings.classes) for key in keys}
    return PageContext(
        title=_title(findings),
        judgement=judgement,
        kind="test" if judgement is None else "judged",
        classes=findings.classes,
        drawn_otherwise={name: shown for name, shown in drawn.items() if is_numbered(shown, name)},
        few_classes=FEW_CLASSES,
        max_lines=len(CLASS_LINES),
        reviews=metrics["test"]["reviews"],
        metrics=rows,
        objective=None if objective.metric == "accuracy" else rows[first],
        precision=objective.precision,
        baseline=("baseline" if judgement is None else judgement.compared) if "baseline" in metrics else None,
        baseline_sample=metrics.get("baseline_sample"),
        checks=findings.checks,
        confusion=_confusion(tables["confusion"], findings.classes),
        reliability=as_rows(tables["reliability"]),
        scores=list(zip(*tables["score_histogram" if two else "confidence"].values(), strict=True)),
        by_class=[] if two else as_rows(tables["classes"]),
        parts=metrics.get("parts", {}),
        auxiliary=metrics["auxiliary"] | {"name": findings.auxiliary} if "auxiliary" in metrics else None,
        slices={name: as_rows(rows_of_slice(slices, name)) for name in dict.fromkeys(slices["slice"])},
        length=LENGTH,
        unknown_words=UNKNOWN_WORDS,
        worst=worst_slice(slices),
        enough_reviews=ENOUGH_REVIEWS,
        capabilities=as_rows(tables.get("behaviour", {})),
        examples=findings.behaviour,
        contrast=metrics.get("contrast"),
        inapplicable=findings.inapplicable,
        mistakes=findings.mistakes,
        max_mistakes=MISTAKES_SHOWN,
        learning_curve=as_rows(findings.learning_curve or {}),
        ladder=findings.ladder["models"] if findings.ladder else {},
        data=findings.data,
        tags=findings.origin,
        pictures={picture.stem: themed_svg(picture) for picture in sorted(findings.figures.glob("*.svg"))},
    )


def _title(findings: Findings) -> str:
    if findings.judgement is not None:
        return f"{findings.judgement.model} judged on {findings.judgement.file}"
    model, corpus = (findings.origin.get(key) for key in ("model", "corpus"))
    return f"Evaluation of {model} on {corpus}" if model and corpus else "Evaluation"


def _metric_row(metrics: Mapping[str, Any], key: str, classes: Sequence[str]) -> MetricRow:
    intervals, metric = metrics["intervals"], METRICS[key]
    about = (metric.name, metric.explanation(classes), metric.higher_is_better)
    model = Estimate(metrics["test"][key], intervals["test"].get(key))
    if "baseline" not in metrics:
        return MetricRow(*about, model, None, None)
    baseline = Estimate(metrics["baseline"][key], intervals["baseline"].get(key))
    undefined = model.value is None or baseline.value is None
    value = None if undefined else metrics["test"][key] - metrics["baseline"][key]
    return MetricRow(*about, model, baseline, Estimate(value, intervals["difference"].get(key)))


def _confusion(table: Columns, classes: Sequence[str]) -> list[ConfusionRow]:
    matrix = confusion_matrix(table, classes).tolist()
    return [
        ConfusionRow(label, counts, counts[number] / sum(counts) if sum(counts) else None)
        for number, (label, counts) in enumerate(zip(classes, matrix, strict=True))
    ]
