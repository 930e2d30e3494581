"""Run the cases of capabilities on a model, and count the failures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.behaviour.templates import Capability, Case, make_cases
from pipeline.config.labels import LABELS
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.predictions import Classifier
from pipeline.evaluation.sentiment import POSITIVE_NAME
from pipeline.inference.wilson import wilson_interval
from pipeline.report.formatting import percent, percent_interval

EXAMPLES = 10
"""Maximum number of failures shown of a capability."""
MIN_DISTANCE = float(np.finfo(float).tiny)
"""Minimum distance of a failure from a pass, such as that of a probability which equals the threshold."""


@dataclass(frozen=True)
class CaseAnswer:
    """Prediction of a model for a text."""

    label: str
    probabilities: Mapping[str, float]
    """Probability of each class."""
    threshold: float | None
    """That of the classifier's rule."""

    @property
    def positive(self) -> float:
        """Probability that the text is positive."""
        return self.probabilities[POSITIVE_NAME]


@dataclass(frozen=True)
class CaseResult:
    """Answers of a model to a case."""

    case: Case
    answer: CaseAnswer
    changed: CaseAnswer | None
    """Answer to the changed text; None for a case with one text."""
    wrong_by: float
    """Distance of the prediction from one that passes: above 0 for a failure."""

    @property
    def failed(self) -> bool:
        """True if the prediction is not the expected one."""
        return self.wrong_by > 0


def run_cases(classifier: Classifier, cases: Sequence[Case], tolerance: float = 0) -> list[CaseResult]:
    """Run a classifier on cases; a text that occurs in several is scored once.

    Args:
        classifier: the model, with classes of sentiment.
        cases: those of one capability.
        tolerance: distance by which a probability may move the wrong way.
    """
    texts = list(dict.fromkeys(text for case in cases for text in (case.text, case.changed) if text is not None))
    probabilities = classifier.probabilities(texts)
    chosen = classifier.rule.choose(probabilities).tolist()
    answers = {
        text: CaseAnswer(
            classifier.classes[number], dict(zip(classifier.classes, row, strict=True)), classifier.rule.threshold
        )
        for text, number, row in zip(texts, chosen, probabilities.tolist(), strict=True)
    }
    results = []
    for case in cases:
        before, after = answers[case.text], None if case.changed is None else answers[case.changed]
        results.append(CaseResult(case, before, after, _wrong_by(case.expect, before, after, tolerance)))
    return results


def run_suite(classifier: Classifier, capabilities: Mapping[str, Capability]) -> dict[str, list[CaseResult]]:
    """Run a classifier on all cases of each capability. Raises `PipelineError` as `make_cases` does."""
    cases = {name: make_cases(name, capability) for name, capability in capabilities.items()}
    return {name: run_cases(classifier, cases[name], capabilities[name].tolerance) for name in cases}


def behaviour_table(capabilities: Mapping[str, Capability], results: Mapping[str, Sequence[CaseResult]]) -> Columns:
    """Return the failures of each capability, with the 95 % Wilson interval of their rate."""
    failures = {name: sum(result.failed for result in results[name]) for name in capabilities}
    cases = {name: len(results[name]) for name in capabilities}
    intervals = [wilson_interval(failures[name], cases[name]) for name in capabilities]
    return {
        "capability": list(capabilities),
        "test": [capability.test for capability in capabilities.values()],
        "cases": list(cases.values()),
        "failures": list(failures.values()),
        "failure_rate": [failures[name] / cases[name] for name in capabilities],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
    }


def behaviour_metrics(table: Columns) -> dict[str, dict[str, Any]]:
    """Return the failure rate and the number of cases of each capability."""
    columns = (table[key] for key in ("capability", "failure_rate", "cases"))
    return {name: {"failure_rate": rate, "cases": cases} for name, rate, cases in zip(*columns, strict=True)}


def behaviour_examples(
    capabilities: Mapping[str, Capability], results: Mapping[str, Sequence[CaseResult]]
) -> dict[str, dict[str, Any]]:
    """Return for each capability its description and its worst failures: at most `EXAMPLES`, one of each template."""
    return {
        name: {
            "description": capability.description,
            "test": capability.test,
            "tolerance": capability.tolerance,
            "examples": [_example(result) for result in _worst(results[name])],
        }
        for name, capability in capabilities.items()
    }


def format_behaviour(table: Columns) -> str:
    """Format the table for a terminal."""
    width = max(len(name) for name in table["capability"])
    lines = [f"{'capability':{width}}  {'test':22}{'cases':>6}{'failed':>8}  {'rate':>6}  95 % interval"]
    for name, test, cases, failures, rate, low, high in zip(*table.values(), strict=True):
        shares = f"{percent(rate):>6}  {percent_interval({'low': low, 'high': high})}"
        lines.append(f"{name:{width}}  {test:22}{cases:>6}{failures:>8}  {shares}")
    return "\n".join(lines)


def format_cases(results: Sequence[CaseResult], *, judged: bool) -> str:
    """Format cases with their answers for a terminal; `judged` also marks and counts the failures."""
    lines = []
    for result in results:
        mark = {True: "FAIL  ", False: "ok    "}[result.failed] if judged else ""
        lines.append(f"{mark}{_format_answer(result.answer)}  {result.case.text}")
        if result.changed is not None:
            lines.append(f"{' ' * len(mark)}{_format_answer(result.changed)}  {result.case.changed}")
    if judged:
        lines.append(f"{sum(result.failed for result in results)} of {len(results)} cases failed")
    return "\n".join(lines)


def _format_answer(answer: CaseAnswer) -> str:
    return f"{answer.label}  {answer.positive:.4f}"


def _wrong_by(expect: str, before: CaseAnswer, after: CaseAnswer | None, tolerance: float) -> float:
    if expect in LABELS:
        return _gap(before, expect)
    assert after is not None  # all other expectations compare two texts
    rise = after.positive - before.positive
    match expect:
        case "same":
            return max(abs(rise), MIN_DISTANCE) if before.label != after.label else 0
        case "rises":
            return max(-rise - tolerance, 0)
        case _:
            return max(rise - tolerance, 0)


def _gap(answer: CaseAnswer, expected: str) -> float:
    """Return how much more probability the expected label needs."""
    if answer.label == expected:
        return 0
    if answer.threshold is not None:
        gap = abs(answer.positive - answer.threshold)
    else:
        gap = answer.probabilities[answer.label] - answer.probabilities[expected]
    return max(gap, MIN_DISTANCE)


def _worst(results: Sequence[CaseResult]) -> Iterator[CaseResult]:
    by_template: dict[int, CaseResult] = {}
    for result in sorted(results, key=lambda result: -result.wrong_by):
        if result.failed:
            by_template.setdefault(result.case.template, result)
    yield from list(by_template.values())[:EXAMPLES]


def _example(result: CaseResult) -> dict[str, Any]:
    case, answer, changed = result.case, result.answer, result.changed
    example: dict[str, Any] = {"expect": case.expect, "text": case.text, "probability": answer.positive}
    if changed is not None:
        example |= {"changed": case.changed, "changed_probability": changed.positive}
    if answer.threshold is None:  # the probability of positive does not tell the label
        example |= {"label": answer.label} | ({} if changed is None else {"changed_label": changed.label})
    return example
