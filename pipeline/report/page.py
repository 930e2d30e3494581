"""The report of an evaluation for people: one page that opens offline, with every figure and table.

Nothing that varies from run to run is in it: equal models on equal data give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.columns import Columns
from pipeline.evaluation.mistakes import Mistake
from pipeline.pages.rendering import write_page
from pipeline.report import origin_sections, part_sections, result_sections
from pipeline.report.blocks import Section
from pipeline.report.formatting import percent, spoken


@dataclass(frozen=True)
class Findings:
    """What an evaluation found, and what it is about."""

    metrics: Mapping[str, Any]
    """As in `reports/metrics.json`."""
    verdict: Mapping[str, Any]
    """As in `reports/verdict.json`."""
    tables: Mapping[str, Columns]
    """As in `reports/plots/`."""
    figures: Path
    """`reports/figures/`, already drawn."""
    mistakes: Sequence[Mistake]
    behaviour: Mapping[str, Any]
    """As in `reports/behaviour.json`."""
    learning_curve: Columns
    ladder: Mapping[str, Any] | None
    """As in `reports/memory_ladder.json`, of the same dataset."""
    data: Mapping[str, Any] | None
    """As in `reports/data.json`."""
    made_from: Mapping[str, str]
    """The training's tags, of `artifacts/run.json`."""


def write_report(path: Path, findings: Findings) -> None:
    """Write the page; sections whose input is absent are left out."""
    model, corpus = findings.made_from.get("model"), findings.made_from.get("corpus")
    title = f"Evaluation of {model} on {corpus}" if model and corpus else "Evaluation"
    write_page(path, "report.html", title=title, headline=headline(findings), sections=sections(findings))


def headline(findings: Findings) -> list[str]:
    """The accuracy with its interval, the baseline's, and the verdict, in words."""
    metrics = findings.metrics
    bounds = metrics["intervals"]["test"]["accuracy"]
    lines = [
        f"{percent(metrics['test']['accuracy'])} of {metrics['test']['reviews']:,} test reviews are judged right "
        f"(95 % interval {percent(bounds['low'])} to {percent(bounds['high'])})."
    ]
    if "baseline" in metrics:
        gap = metrics["intervals"]["difference"]["accuracy"]
        found = "clearly better" if gap["low"] > 0 else "clearly worse" if gap["high"] < 0 else "not clearly different"
        lines.append(
            f"TF-IDF and logistic regression judge {percent(metrics['baseline']['accuracy'])} right; "
            f"the model is {found}."
        )
    failed = [spoken(check["name"]) for check in findings.verdict["checks"] if not check["passed"]]
    lines.append(f"It may not be registered: {', '.join(failed)} failed." if failed else "It passed every check.")
    return lines


def sections(findings: Findings) -> list[Section]:
    """The parts of the page in their order."""
    tables, figures = findings.tables, findings.figures
    every = [
        result_sections.headline(findings.metrics),
        result_sections.checks(findings.verdict),
        result_sections.confusion(tables["confusion"], figures),
        result_sections.ranking(figures),
        result_sections.calibration(tables, figures),
        part_sections.slices(tables["slices"], figures),
        part_sections.behaviour(tables["behaviour"], findings.behaviour, figures) if findings.behaviour else None,
        part_sections.contrast(findings.metrics["contrast"]) if "contrast" in findings.metrics else None,
        result_sections.worst(findings.mistakes),
        result_sections.learning(findings.learning_curve, figures),
        part_sections.memory(findings.ladder, figures) if findings.ladder else None,
        origin_sections.data(findings.data) if findings.data else None,
        origin_sections.reproduce(findings.made_from),
    ]
    return [section for section in every if section is not None]
