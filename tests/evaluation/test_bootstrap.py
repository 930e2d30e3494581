from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.bootstrap import bootstrap_intervals, mean_intervals
from pipeline.evaluation.predictions import ScoredSplit
from tests.support.scored import both, simulated, two_classes


def with_answers(scored: ScoredSplit, probabilities: np.ndarray) -> ScoredSplit:
    return replace(scored, probabilities=both(probabilities))


def test_the_interval_covers_the_true_accuracy_about_19_times_in_20() -> None:
    covered = 0
    for seed in range(100):
        right = np.random.default_rng(seed).random(200) < 0.8
        labels = np.ones(200, np.int8)
        test = two_classes(pa.table({}), labels, labels, np.where(right, 0.9, 0.1))
        interval = bootstrap_intervals(test, None, resamples=300)["test"]["accuracy"]
        covered += interval["low"] <= 0.8 <= interval["high"]
    assert 88 <= covered <= 99


def test_intervals_are_equal_every_time_and_the_difference_is_paired() -> None:
    test = simulated(300)
    similar = with_answers(test, test.probabilities[:, 1] * 0.98)
    intervals = bootstrap_intervals(test, similar)
    assert intervals == bootstrap_intervals(test, similar)
    width = {name: intervals[name]["log_loss"]["high"] - intervals[name]["log_loss"]["low"] for name in intervals}
    assert width["difference"] < width["test"] / 4
    assert bootstrap_intervals(test, test)["difference"]["accuracy"] == {"low": 0, "high": 0}


def test_an_interval_of_a_mean_comes_from_the_same_resamples() -> None:
    first, second = simulated(300), with_answers(simulated(300), simulated(300, seed=1).probabilities[:, 1])
    right = [(scored.predicted == scored.labels).astype(float) for scored in (first, second)]
    interval = mean_intervals({"other": right[1], "gain": right[0] - right[1]})["gain"]
    assert interval == pytest.approx(bootstrap_intervals(first, second)["difference"]["accuracy"])


def test_what_is_undefined_has_no_interval() -> None:
    ones = two_classes(pa.table({}), np.ones(4, np.int8), np.ones(4, int), np.full(4, 0.9))
    intervals = bootstrap_intervals(ones, None)["test"]
    assert intervals["roc_auc"] == {"low": None, "high": None}


def test_answers_that_are_all_right_leave_doubt_as_to_their_number() -> None:
    intervals = [
        bootstrap_intervals(two_classes(pa.table({}), np.arange(n) % 2, np.ones(n, int), (np.arange(n) % 2)), None)
        for n in (3, 20)
    ]
    assert [each["test"]["accuracy"]["low"] for each in intervals] == pytest.approx([0.4385, 0.8389], abs=1e-4)
    assert [each["test"]["accuracy"]["high"] for each in intervals] == [1, 1]


@pytest.mark.parametrize("classes", [("negative", "positive"), ("bad", "so so", "good")])
def test_metrics_that_no_resample_changes_have_no_interval(classes: tuple[str, ...]) -> None:
    scored = simulated(30, classes=classes)
    certain = np.eye(len(classes), dtype=np.float32)[scored.labels]
    right = replace(scored, probabilities=0.1 + certain * np.linspace(0.5, 0.7, 30, dtype=np.float32)[:, None])
    intervals = bootstrap_intervals(right, right)
    undefined = {key for key, bounds in intervals["test"].items() if bounds == {"low": None, "high": None}}
    assert undefined == {"macro_f1", "balanced_accuracy", "mcc"} | ({"f1", "roc_auc"} if len(classes) == 2 else set())
    assert intervals["baseline"] == intervals["test"]
    assert intervals["difference"]["mcc"] == {"low": 0, "high": 0}  # the two give the same answers
