"""Metrics of more than two classes."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from mlflow.utils.validation import _validate_metric_name
from sklearn import metrics as sk

from pipeline.config.comparison import flatten
from pipeline.evaluation.bootstrap import bootstrap_intervals
from pipeline.evaluation.label_metrics import resampled_label_metrics
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.multiclass import class_table, multiclass_metrics, resampled_multiclass_metrics
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.decision_rule import DecisionRule
from tests.support.scored import simulated

THREE = ("negative", "neutral", "positive")
STARS = ("one", "two", "three", "four", "five")


def answered(labels: list[int], probabilities: list[list[float]], *, ordered: bool = False) -> ScoredSplit:
    """Return answers of three classes to reviews of these labels."""
    answers = np.array(probabilities, np.float32)
    return ScoredSplit(
        "test",
        pa.table({}),
        np.array(labels, np.int8),
        np.ones(len(labels), int),
        THREE,
        answers,
        DecisionRule(),
        ordered,
    )


SURE = {0: [0.8, 0.1, 0.1], 1: [0.1, 0.8, 0.1], 2: [0.1, 0.1, 0.8]}


def test_metrics_of_four_reviews_worked_by_hand() -> None:
    split = answered([0, 0, 1, 2], [SURE[0], SURE[2], SURE[1], SURE[2]], ordered=True)
    values = multiclass_metrics(split, ece_bins=10, name="test")
    assert values["accuracy"] == 0.75
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert values["weighted_f1"] == pytest.approx((2 * 2 / 3 + 1 + 2 / 3) / 4)
    assert values["balanced_accuracy"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert values["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.1, 0.8, 0.8])))
    assert values["brier"] == pytest.approx((3 * 0.06 + 0.81 + 0.01 + 0.64) / 4)
    assert values["ece"] == pytest.approx(0.05)  # 0.8 stated, 0.75 right
    assert values["mean_absolute_error"] == 0.5  # one miss of two steps
    assert (values["majority"], values["gain_over_majority"], values["reviews"]) == (0.5, 0.25, 4)
    assert values["classes"]["negative"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "roc_auc": pytest.approx(0.75),
        "reviews": 2,
    }


def test_metrics_are_those_of_scikit_learn() -> None:
    split = simulated(500, classes=STARS, ordered=True)
    values = multiclass_metrics(split, ece_bins=15, name="test")
    y, predicted, p = split.labels, split.predicted, split.probabilities
    expected = {
        "macro_f1": sk.f1_score(y, predicted, average="macro"),
        "weighted_f1": sk.f1_score(y, predicted, average="weighted"),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "roc_auc": sk.roc_auc_score(y, p / p.sum(1, keepdims=True), multi_class="ovr"),
        "log_loss": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p, labels=range(5)),
        "mean_absolute_error": sk.mean_absolute_error(y, predicted),
        "quadratic_kappa": sk.cohen_kappa_score(y, predicted, weights="quadratic"),
    }
    assert {key: values[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert values["ece"] < 0.06  # perfectly calibrated


@pytest.mark.parametrize("ordered", [False, True])
def test_the_table_of_metrics_names_what_is_computed(ordered: bool) -> None:
    values = multiclass_metrics(simulated(classes=STARS, ordered=ordered), ece_bins=15, name="test")
    applying = [key for key, metric in METRICS.items() if metric.applies_to(5, ordered)]
    assert [*applying, "reviews", "classes"] == list(values)
    assert ("mean_absolute_error" in values) == ordered
    assert all(METRICS[key].explanation(STARS) for key in applying)


def test_a_class_without_reviews_or_predictions_has_null_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    split = answered([0, 0, 1], [SURE[0], SURE[2], SURE[0]])  # nobody is positive, nobody is called neutral
    values = multiclass_metrics(split, ece_bins=10, name="test")
    assert values["classes"]["positive"] == {
        **dict.fromkeys(("recall", "f1", "roc_auc")),
        **{"precision": 0.0, "reviews": 0},
    }
    assert (values["classes"]["neutral"]["precision"], values["classes"]["neutral"]["f1"]) == (None, 0.0)
    assert values["macro_f1"] == pytest.approx((0.5 + 0) / 2)  # of the two classes that there are
    assert values["balanced_accuracy"] == pytest.approx((0.5 + 0) / 2)
    assert "test: no review has the label 'positive': its recall, F1 and ROC-AUC are undefined (null)" in caplog.text
    assert "test: no review is called 'neutral': its precision is undefined (null)" in caplog.text
    assert json.dumps(values, allow_nan=False)


def test_one_label_gives_null_never_nan() -> None:
    split = answered([1, 1], [SURE[1], SURE[0]], ordered=True)
    values = multiclass_metrics(split, ece_bins=10, name="test")
    assert [values[key] for key in ("mcc", "roc_auc", "quadratic_kappa")] == [None, None, None]
    assert json.dumps([values, bootstrap_intervals(split, None, resamples=20)], allow_nan=False)


def test_a_resample_has_the_metrics_of_the_reviews_drawn() -> None:
    test = simulated(30, classes=STARS)
    counts = np.random.default_rng(1).multinomial(30, np.full(30, 1 / 30), size=4).astype(float)
    counts[0] = 1
    counts[1] *= test.labels != 2  # a resample without one of the classes
    resampled = resampled_multiclass_metrics(counts, test) | resampled_label_metrics(counts, test)
    assert list(resampled) == ["accuracy", "log_loss", "brier", "macro_f1", "balanced_accuracy", "mcc"]
    for resample, drawn in enumerate(counts.astype(int)):
        rows = np.repeat(np.arange(30), drawn)
        split = replace(test, labels=test.labels[rows], probabilities=test.probabilities[rows])
        expected = multiclass_metrics(split, ece_bins=10, name="test")
        assert {key: values[resample] for key, values in resampled.items()} == pytest.approx(
            {key: expected[key] for key in resampled}
        )


def test_intervals_hold_the_value_and_are_paired() -> None:
    test, baseline = simulated(300, classes=THREE), simulated(300, classes=THREE)
    intervals, values = bootstrap_intervals(test, baseline), multiclass_metrics(test, ece_bins=10, name="test")
    for key, interval in intervals["test"].items():
        assert interval["low"] < values[key] < interval["high"]
    assert intervals["difference"]["macro_f1"] == {"low": 0, "high": 0}


def test_metric_names_are_those_mlflow_takes_whatever_the_classes_are_called() -> None:
    names = ("C+", "C#", "..", "a/b", "Zoë's", "负面", "إيجابي", "x" * 60)
    split = simulated(200, classes=names)
    flat = flatten({"test": multiclass_metrics(split, ece_bins=10, name="test")}, "/")
    for name in flat:
        _validate_metric_name(name)
    assert sum(name.startswith("test/classes/") for name in flat) == 5 * len(names)
    assert class_table(split)["class"] == list(names)


def test_calibration_is_that_of_the_predicted_class_whatever_the_objective() -> None:
    exact = replace(simulated(20_000, classes=THREE), rule=DecisionRule(costs=[[0, 1, 1], [1, 0, 1], [9, 9, 0]]))
    assert (exact.predicted != exact.probabilities.argmax(1)).mean() > 0.2
    assert multiclass_metrics(exact, ece_bins=10, name="test")["ece"] < 0.01


def test_a_class_that_does_not_occur_keeps_its_place_in_the_order() -> None:
    split = answered([0, 0, 2, 2], [SURE[0], SURE[1], SURE[2], SURE[2]], ordered=True)
    # mean squared distances of label and prediction: as they are, and by chance
    observed, labels, predicted = 1 / 4, [2 / 4, 0, 2 / 4], [1 / 4, 1 / 4, 2 / 4]
    expected = sum(p * q * (i - j) ** 2 for i, p in enumerate(labels) for j, q in enumerate(predicted))
    kappa = 1 - observed / expected
    assert multiclass_metrics(split, ece_bins=10, name="test")["quadratic_kappa"] == pytest.approx(kappa)
    without = answered([0, 0, 2, 2], [SURE[0], SURE[2], SURE[2], SURE[2]], ordered=True)
    assert multiclass_metrics(without, ece_bins=10, name="test")["quadratic_kappa"] == pytest.approx(0.5)
