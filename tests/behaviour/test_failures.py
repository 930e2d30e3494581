"""A failure is a prediction that is not the expected one, and the tables count failures."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from pipeline.behaviour.capability_files import parse_capability
from pipeline.behaviour.failures import (
    behaviour_examples,
    behaviour_metrics,
    behaviour_table,
    format_behaviour,
    run_cases,
    run_suite,
)
from pipeline.behaviour.templates import Case
from pipeline.inference.decision_rule import DecisionRule
from tests.behaviour.conftest import VALUES, ByWord


@pytest.mark.parametrize(
    ("expect", "before", "after", "failed"),
    [
        ("positive", 0.5, None, False),  # the threshold itself is positive
        ("positive", 0.49, None, True),
        ("negative", 0.49, None, False),
        ("negative", 0.5, None, True),
        ("same", 0.1, 0.49, False),
        ("same", 0.49, 0.5, True),
        ("rises", 0.6, 0.56, False),
        ("rises", 0.6, 0.54, True),
        ("rises", 0.1, 0.9, False),
        ("falls", 0.6, 0.64, False),
        ("falls", 0.6, 0.66, True),
    ],
)
def test_a_case_fails_if_its_expectation_is_not_met(
    expect: str, before: float, after: float | None, failed: bool
) -> None:
    case = Case(expect, 0, "before", None if after is None else "after")
    (result,) = run_cases(ByWord(before=before, after=after or 0), [case], tolerance=0.05)
    assert result.failed == failed


def test_the_tables_count_failures_and_show_the_worst_of_each_template() -> None:
    groups = [{"expect": "positive", "templates": ["The {what} is {how}.", "{how} {what}"]}]
    capabilities = {"taste": parse_capability("taste", {**VALUES, "cases": 12, "groups": groups}, {})}
    model = ByWord(good=0.9, fine=0.4, bad=0.1)
    results = run_suite(model, capabilities)
    assert len(model.texts) == 12
    table = behaviour_table(capabilities, results)
    assert behaviour_metrics(table) == {"taste": {"failure_rate": 8 / 12, "cases": 12}}
    assert table["low"][0] < 8 / 12 < table["high"][0]
    assert re.search(r"taste +minimum functionality +12 +8 +66\.7%", format_behaviour(table))
    shown = behaviour_examples(capabilities, results)["taste"]["examples"]
    assert [example["text"] for example in shown] == ["The tea is bad.", "bad tea"]


def test_a_text_of_several_cases_is_scored_once() -> None:
    model = ByWord()
    run_cases(model, [Case("same", 0, "tea", "coffee"), Case("same", 0, "tea", "water")])
    assert model.texts == ["tea", "coffee", "water"]


class OfThree(ByWord):
    """Classifier of three classes that knows the probabilities of some words."""

    classes, rule = ("negative", "neutral", "positive"), DecisionRule()

    def __init__(self, **known: tuple[float, float, float]) -> None:
        self.rows = known

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        return np.array([next(row for word, row in self.rows.items() if word in text) for text in texts], np.float32)


MEH, GREAT, AWFUL, MIXED = (0.2, 0.6, 0.2), (0.1, 0.2, 0.7), (0.7, 0.2, 0.1), (0.35, 0.3, 0.35)


@pytest.mark.parametrize(
    ("expect", "before", "after", "failed"),
    [
        ("positive", GREAT, None, False),
        ("positive", MEH, None, True),
        ("positive", MIXED, None, True),  # of equally probable classes the first is predicted
        ("negative", MIXED, None, False),
        ("negative", MEH, None, True),
        ("same", MEH, GREAT, True),
        ("same", MEH, AWFUL, True),
        ("same", GREAT, GREAT, False),
        ("rises", MEH, GREAT, False),
        ("rises", MEH, AWFUL, True),
        ("falls", MEH, AWFUL, False),
    ],
)
def test_a_neutral_answer_is_none_of_the_expected_ones(expect: str, before: Any, after: Any, failed: bool) -> None:
    case = Case(expect, 0, "before", None if after is None else "after")
    (result,) = run_cases(OfThree(before=before, after=after or MEH), [case])
    assert result.failed == failed


def test_an_example_of_several_classes_tells_the_label() -> None:
    groups = [{"expect": "same", "templates": [{"original": "{how} tea", "changed": "bad tea"}]}]
    values = {**VALUES, "test": "invariance", "cases": 1, "slots": {"how": ["good"]}, "groups": groups}
    capabilities = {"taste": parse_capability("taste", values, {})}
    results = run_suite(OfThree(good=GREAT, bad=MEH), capabilities)
    (example,) = behaviour_examples(capabilities, results)["taste"]["examples"]
    assert (example["label"], example["changed_label"]) == ("positive", "neutral")
