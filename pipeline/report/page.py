"""The report of an evaluation as one page that opens offline.

The template `pages/report.html` holds the text; this module prepares its numbers and figures. None of them varies
from run to run: equal models on equal data give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS
from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.columns import Columns, as_rows
from pipeline.evaluation.mcnemar import McNemar
from pipeline.evaluation.metrics import HEADLINE, METRICS, objective_key
from pipeline.evaluation.mistakes import MISTAKES_SHOWN, Mistake
from pipeline.evaluation.slices import ENOUGH_REVIEWS, rows_of_slice, worst_part
from pipeline.pages.rendering import embedded_png, write_page
from pipeline.report import formatting
from pipeline.report.data_record import DataRecord
from pipeline.report.figures import CLASS_LINES, FEW_CLASSES, names_in_figures
from pipeline.report.plot_tables import confusion_matrix

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
class Judgement:
    """A labelled file that a model was judged on, and the model that it was compared with."""

    model: str
    """The model as the user names it."""
    about: str
    """The same for people: version and aliases, corpus, classes."""
    file: str
    """Name of the file."""
    digest: str
    """SHA-256 of the file."""
    rows: Mapping[str, int]
    """Rows of the file by what became of them: `judged`, and those left out by reason."""
    known: str
    """Note on reviews that the model was trained on."""
    compared: str | None = None
    """The other model as the user names it; None if there is none."""
    compared_about: str | None = None
    paired: McNemar | None = None
    """Test of the two models on the same reviews: reviews that only one of them got right."""


@dataclass(frozen=True)
class Findings:
    """The results of an evaluation, and what it is about."""

    classes: Sequence[str]
    """Names of the classes, by number."""
    metrics: Mapping[str, Any]
    """Content of `reports/details.json`."""
    checks: Mapping[str, Any]
    """Outcome of the checks, as in `reports/verdict.json`; empty if none were asked for."""
    tables: Mapping[str, Columns]
    """Content of `reports/plots/`, by file name."""
    figures: Path
    """`reports/figures/`, already drawn."""
    mistakes: Sequence[Mistake]
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    """Content of `reports/behaviour.json`."""
    learning_curve: Columns | None = None
    ladder: Mapping[str, Any] | None = None
    """Content of `reports/memory_ladder.json`, if it is of the same dataset."""
    data: DataRecord | None = None
    """Content of `reports/data.json`."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """What the training was made from, of `artifacts/run.json`."""
    auxiliary: str | None = None
    """Name of the auxiliary texts; None where there are none."""
    inapplicable: Sequence[str] = ()
    """Tests that were asked for and left out, because they are of other classes."""
    objective: ObjectiveConfig = ACCURACY
    """Metric that the labels are chosen for."""
    judgement: Judgement | None = None
    """The file, if the reviews are not those of the test split; the baseline is then the other model."""


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
    """Most classes whose confusion matrix has the size of the other figures."""
    most_lines: int
    """Most classes with curves of their own."""
    reviews: int
    metrics: Mapping[str, MetricRow]
    """The objective's metric and the headline metrics by key."""
    objective: MetricRow | None
    """The objective's metric; None for accuracy, with which the page begins anyway."""
    precision: float | None
    """Precision that the objective asks for."""
    baseline: str | None
    """Name of the baseline or of the other model; None if there is neither."""
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
    two, drawn, judgement = len(findings.classes) == 2, names_in_figures(findings.classes), findings.judgement
    objective = findings.objective
    first = objective_key(objective.metric)
    keys = (key for key in dict.fromkeys((first, *HEADLINE)) if key in metrics["test"])
    rows = {key: _metric_row(metrics, key, findings.classes) for key in keys}
    numbered = {f"class {number}" for number in range(1, len(drawn) + 1)} - set(findings.classes)
    return PageContext(
        title=_title(findings),
        judgement=judgement,
        kind="test" if judgement is None else "judged",
        classes=findings.classes,
        drawn_otherwise={name: drawn for name, drawn in drawn.items() if drawn in numbered},
        few_classes=FEW_CLASSES,
        most_lines=len(CLASS_LINES),
        reviews=metrics["test"]["reviews"],
        metrics=rows,
        objective=None if objective.metric == "accuracy" else rows[first],
        precision=objective.precision,
        baseline=("baseline" if judgement is None else judgement.compared) if "baseline" in metrics else None,
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
        worst=worst_part(slices),
        enough_reviews=ENOUGH_REVIEWS,
        capabilities=as_rows(tables.get("behaviour", {})),
        examples=findings.behaviour,
        contrast=metrics.get("contrast"),
        inapplicable=findings.inapplicable,
        mistakes=findings.mistakes,
        most_mistakes=MISTAKES_SHOWN,
        learning_curve=as_rows(findings.learning_curve or {}),
        ladder=findings.ladder["models"] if findings.ladder else {},
        data=findings.data,
        tags=findings.origin,
        pictures={picture.stem: embedded_png(picture) for picture in sorted(findings.figures.glob("*.png"))},
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
