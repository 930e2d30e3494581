"""What a model answers to the cases of each capability, and how often that is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.behaviour.templates import Capability, Case, make_cases
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.intervals import wilson
from pipeline.evaluation.predictions import Classifier

EXAMPLES = 10
"""Failures shown of a capability."""


@dataclass(frozen=True)
class Answer:
    """What a model said to a case."""

    case: Case
    probability: float
    """That the text is positive."""
    changed: float | None
    """That the changed text is; None for a case of one text."""
    wrong_by: float
    """How far the answers are from what would pass: a failure above 0."""

    @property
    def failed(self) -> bool:
        """Whether it is not what was expected."""
        return self.wrong_by > 0


def answer(classifier: Classifier, cases: Sequence[Case], tolerance: float = 0) -> list[Answer]:
    """Have a classifier answer cases; a text that occurs in several is asked once.

    Args:
        classifier: the model.
        cases: of one capability.
        tolerance: how far a probability may move the wrong way.
    """
    texts = list(dict.fromkeys(text for case in cases for text in (case.text, case.changed) if text is not None))
    said = dict(zip(texts, classifier.probabilities(texts).tolist(), strict=True))
    answers = []
    for case in cases:
        before, after = said[case.text], None if case.changed is None else said[case.changed]
        wrong_by = _wrong_by(case.expect, before, after, classifier.threshold, tolerance)
        answers.append(Answer(case, before, after, wrong_by))
    return answers


def run_suite(classifier: Classifier, capabilities: Mapping[str, Capability]) -> dict[str, list[Answer]]:
    """The answers to all cases of each capability. Raises `PipelineError` as `make_cases` does."""
    cases = {name: make_cases(name, capability) for name, capability in capabilities.items()}
    return {name: answer(classifier, made, capabilities[name].tolerance) for name, made in cases.items()}


def behaviour_table(capabilities: Mapping[str, Capability], answers: Mapping[str, Sequence[Answer]]) -> Columns:
    """Failures of each capability, with the 95 % Wilson interval of their rate."""
    failures = {name: sum(said.failed for said in answers[name]) for name in capabilities}
    cases = {name: len(answers[name]) for name in capabilities}
    intervals = [wilson(failures[name], cases[name]) for name in capabilities]
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
    """Failure rate and number of cases of each capability."""
    columns = (table[key] for key in ("capability", "failure_rate", "cases"))
    return {name: {"failure_rate": rate, "cases": cases} for name, rate, cases in zip(*columns, strict=True)}


def behaviour_examples(
    capabilities: Mapping[str, Capability], answers: Mapping[str, Sequence[Answer]]
) -> dict[str, dict[str, Any]]:
    """For people: what each capability tests, and its worst failures, at most `EXAMPLES` and one of each template."""
    return {
        name: {
            "description": capability.description,
            "test": capability.test,
            "tolerance": capability.tolerance,
            "examples": [_example(said) for said in _worst(answers[name])],
        }
        for name, capability in capabilities.items()
    }


def format_behaviour(table: Columns) -> str:
    """The table for a terminal."""
    width = max(len(name) for name in table["capability"])
    lines = [f"{'capability':{width}}  {'test':22}{'cases':>6}{'failed':>8}  {'rate':>6}  95 % interval"]
    for name, test, cases, failures, rate, low, high in zip(*table.values(), strict=True):
        lines.append(f"{name:{width}}  {test:22}{cases:>6}{failures:>8}  {rate:>6.1%}  {low:.1%} to {high:.1%}")
    return "\n".join(lines)


def _wrong_by(expect: str, before: float, after: float | None, threshold: float, tolerance: float) -> float:
    match expect:
        case "positive":
            return threshold - before if before < threshold else 0
        case "negative":
            # from the threshold on an answer is positive
            return max(before - threshold, np.finfo(float).tiny) if before >= threshold else 0
    assert after is not None  # all other expectations are of two texts
    match expect:
        case "same":
            return abs(after - before) if (before >= threshold) != (after >= threshold) else 0
        case "rises":
            return max(before - after - tolerance, 0)
        case _:
            return max(after - before - tolerance, 0)


def _worst(answers: Sequence[Answer]) -> Iterator[Answer]:
    by_template: dict[int, Answer] = {}
    for said in sorted(answers, key=lambda said: -said.wrong_by):
        if said.failed:
            by_template.setdefault(said.case.template, said)
    yield from list(by_template.values())[:EXAMPLES]


def _example(said: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"expect": said.case.expect, "text": said.case.text, "probability": said.probability}
    if said.case.changed is not None:
        found |= {"changed": said.case.changed, "changed_probability": said.changed}
    return found
