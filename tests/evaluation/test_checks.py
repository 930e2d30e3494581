import re
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config.registry import CheckConfig
from pipeline.evaluation.checks import MORE_REVIEWS, check_metrics, needs_baseline
from pipeline.runtime.errors import PipelineError


def test_checks_pass_within_bounds_and_fail_outside() -> None:
    values = {"test": {"accuracy": 0.8, "ece": 0.06, "roc_auc": None}}
    fine = {"accurate": CheckConfig(metric="test.accuracy", min=0.8)}
    assert check_metrics(values, fine) == {
        "passed": True,
        "checks": [
            {"name": "accurate", "metric": "test.accuracy", "value": 0.8, "min": 0.8, "max": None, "passed": True}
            | {"remedy": None}
        ],
    }
    too_much = check_metrics(values, fine | {"calibrated": CheckConfig(metric="test.ece", max=0.05)})
    assert not too_much["passed"]
    assert [check["passed"] for check in too_much["checks"]] == [True, False]
    assert not check_metrics(values, {"undefined": CheckConfig(metric="test.roc_auc", min=0.1)})["passed"]


@pytest.mark.parametrize("metric", ["test.acuracy", "test", "accuracy"])
def test_a_check_of_an_unknown_metric_names_those_there_are(metric: str) -> None:
    with pytest.raises(PipelineError, match=r"registry\.checks\.x\.metric.*test\.accuracy, test\.ece"):
        check_metrics({"test": {"accuracy": 0.9, "ece": 0.1}}, {"x": CheckConfig(metric=metric, min=0)})


def test_a_class_can_be_checked_and_a_list_of_metrics_does_not_name_each_class() -> None:
    classes = {f"topic {number}": {"f1": number / 100, "recall": None} for number in range(100)}
    values = {"test": {"accuracy": 0.9, "classes": classes}}
    (result,) = check_metrics(values, {"x": CheckConfig(metric="test.classes.topic 7.f1", min=0.1)})["checks"]
    assert (result["value"], result["passed"]) == (0.07, False)
    with pytest.raises(PipelineError) as caught:
        check_metrics(values, {"x": CheckConfig(metric="test.macro_f1", min=0)})
    assert str(caught.value).endswith("test.accuracy, test.classes.<class>.f1, test.classes.<class>.recall")


@pytest.mark.parametrize(
    ("metric", "value", "remedy"),
    [
        ("test.relative_gain", 0.02, "add shop reviews, above all of the rare labels, .* registry.checks.x.min$"),
        ("test.relative_gain", None, "undefined on these test reviews: add reviews of every label"),
        (
            "intervals.test.f1.low",
            None,
            "undefined .*, if no resample of them changes the metric, check the interv",
        ),
        ("intervals.difference.accuracy.high", -0.01, "the baseline is better .*add shop reviews, .*x.min$"),
        ("test.accuracy", 0.02, "^add shop reviews, or accept such a model with registry.checks.x.min$"),
    ],
)
def test_a_refusal_says_what_to_do(metric: str, value: float | None, remedy: str) -> None:
    values: dict[str, Any] = {}
    *parts, last = metric.split(".")
    inner = values
    for part in parts:
        inner = inner.setdefault(part, {})
    inner[last] = value
    checks = {"x": CheckConfig(metric=metric, min=0.1)}
    (result,) = check_metrics(values, checks, more_reviews="add shop reviews")["checks"]
    assert re.search(remedy, result["remedy"])


def test_a_model_that_is_too_sure_is_told_of_the_bound_it_exceeds() -> None:
    check = CheckConfig(metric="test.ece_excess", max=0.05)
    (result,) = check_metrics({"test": {"ece_excess": 0.2}}, {"sure": check}, more_reviews=MORE_REVIEWS)["checks"]
    assert result["remedy"].startswith("fit the calibration on more reviews with a larger split.validation")
    assert result["remedy"].endswith("registry.checks.sure.max")


def test_checks_that_compare_with_the_baseline_are_known() -> None:
    assert needs_baseline(CheckConfig(metric="intervals.difference.accuracy.high", min=0))
    assert not needs_baseline(CheckConfig(metric="intervals.test.accuracy.low", min=0))


def test_a_check_of_an_earlier_default_is_refused_not_ignored() -> None:
    with pytest.raises(ValidationError, match="names no metric, and is none of the checks of conf/registry/default"):
        CheckConfig.model_validate({"max": 0.1})
