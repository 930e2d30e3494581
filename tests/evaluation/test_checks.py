import pytest

from pipeline.config.registry import CheckConfig
from pipeline.evaluation.checks import check_metrics
from pipeline.runtime.errors import PipelineError


def test_checks_pass_within_bounds_and_fail_outside() -> None:
    values = {"test": {"accuracy": 0.8, "ece": 0.06, "roc_auc": None}}
    fine = {"accurate": CheckConfig(metric="test.accuracy", min=0.8)}
    assert check_metrics(values, fine) == {
        "passed": True,
        "checks": [
            {"name": "accurate", "metric": "test.accuracy", "value": 0.8, "min": 0.8, "max": None, "passed": True}
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
