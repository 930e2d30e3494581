import json

import numpy as np
import pytest

from pipeline.evaluation.binary import binary_metrics, expected_calibration_error, resampled_binary_metrics
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.summary import split_metrics
from tests.conftest import configuration
from tests.support.scored import simulated

EVALUATION = configuration().evaluation


def metrics(labels: list[int], probabilities: list[float], threshold: float = 0.5) -> dict[str, float | int | None]:
    return binary_metrics(labels, probabilities, threshold=threshold, ece_bins=10, name="test")


def test_metrics_of_four_reviews_worked_by_hand() -> None:
    values = metrics([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.2])
    assert values["accuracy"] == values["precision"] == values["recall"] == values["f1"] == 0.5
    assert values["roc_auc"] == 0.75  # of the four pairs one is in the wrong order
    assert values["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    assert values["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.4, 0.8])))
    assert values["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert (values["majority"], values["gain_over_majority"], values["reviews"]) == (0.5, 0.0, 4)


def test_threshold_decides_labels_and_is_itself_positive() -> None:
    assert metrics([1, 1, 0, 0], [0.9, 0.5, 0.4, 0.2], threshold=0.5)["accuracy"] == 1
    assert metrics([1, 1, 0, 0], [0.9, 0.5, 0.4, 0.2], threshold=0.6)["recall"] == 0.5


def test_one_label_gives_null_and_a_warning_never_nan(caplog: pytest.LogCaptureFixture) -> None:
    values = metrics([1, 1, 1], [0.9, 0.8, 0.3])
    assert values["roc_auc"] is None
    assert values["average_precision"] is None
    assert "test: all reviews have the same label, so roc_auc, average_precision and relative_gain" in caplog.text
    assert json.dumps(values, allow_nan=False)
    assert metrics([0, 0], [0.1, 0.0])["f1"] == 0


def test_calibration_error_is_the_known_gap() -> None:
    calibrated = simulated(100_000)
    assert expected_calibration_error(calibrated.labels, calibrated.probabilities[:, 1], 15) < 0.01
    sure_but_right_in_half = [1.0] * 10, [1, 0] * 5
    assert expected_calibration_error(sure_but_right_in_half[1], sure_but_right_in_half[0], 15) == pytest.approx(0.5)
    # 0.95 stated and 0.75 true, 0.15 stated and 0.25 true: half of 0.2 and half of 0.1
    assert expected_calibration_error([1, 1, 1, 0, 1, 0, 0, 0], [0.95] * 4 + [0.15] * 4, 10) == pytest.approx(0.15)


@pytest.mark.parametrize("reviews", [100, 1000])
def test_an_exactly_calibrated_model_has_no_excess_of_calibration_error_however_few_reviews(reviews: int) -> None:
    drawn = [simulated(reviews, seed=seed) for seed in range(40)]
    found = [metrics(scored.labels.tolist(), scored.probabilities[:, 1].tolist()) for scored in drawn]
    assert np.mean([values["ece"] for values in found]) > 0.02
    assert abs(np.mean([values["ece_excess"] for values in found])) < 0.01
    too_sure = [metrics(scored.labels.tolist(), (scored.probabilities[:, 1] > 0.5).tolist()) for scored in drawn]
    assert all(values["ece_excess"] == values["ece"] for values in too_sure)  # chance moves nothing where all is sure


def test_relative_gain_is_the_share_of_the_majoritys_mistakes_that_are_avoided() -> None:
    labels = [1] * 18 + [0, 0]
    assert metrics(labels, [0.9] * 18 + [0.9, 0.1])["relative_gain"] == pytest.approx(0.5)
    assert metrics(labels, [0.9] * 20)["relative_gain"] == 0
    assert metrics([1, 1], [0.9, 0.9])["relative_gain"] is None


def test_a_resample_has_the_metrics_of_the_reviews_drawn() -> None:
    test = simulated(50)
    test_probabilities = test.probabilities[:, 1].round(1)  # with ties
    counts = np.random.default_rng(1).multinomial(50, np.full(50, 1 / 50), size=3).astype(float)
    counts[0] = 1
    resampled = resampled_binary_metrics(counts, test.labels, test_probabilities, 0.5)
    for resample, drawn in enumerate(counts.astype(int)):
        labels, probabilities = np.repeat(test.labels, drawn), np.repeat(test_probabilities, drawn)
        expected = binary_metrics(labels, probabilities, threshold=0.5, ece_bins=10, name="test")
        values = {key: values[resample] for key, values in resampled.items()}
        assert values == pytest.approx({key: expected[key] for key in values})


def test_the_table_of_metrics_names_what_is_computed() -> None:
    computed = split_metrics(simulated(), "test", EVALUATION)
    assert [*(key for key, metric in METRICS.items() if metric.applies_to(2, False)), "reviews"] == list(computed)
    resampled = resampled_binary_metrics(
        np.ones((1, 2)), np.array([1, 0], np.int8), np.array([0.9, 0.1], np.float32), 0.5
    )
    assert list(resampled) == ["accuracy", "f1", "roc_auc", "log_loss", "brier"]
