"""Decision rules: the labels that follow from calibrated probabilities, for each objective."""

import logging
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from pipeline.config.objective import ObjectiveConfig
from pipeline.inference.class_counts import macro_f1, matthews_correlation
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.objective_value import objective_value
from pipeline.inference.rule_fitting import choose_rule, choose_threshold, fit_class_weights
from tests.support.scored import both, simulated

TWO = ("ham", "spam")
THREE = ("bad", "fair", "good")


def test_costs_of_two_classes_are_a_threshold_and_nothing_is_fitted() -> None:
    costs = {"ham": {"spam": 9}, "spam": {"ham": 1}}
    probabilities, labels = both([0.95, 0.85, 0.2]), np.array([0, 1, 1])
    rule = choose_rule(probabilities, labels, ObjectiveConfig(metric="cost", costs=costs), TWO)
    assert rule.threshold == pytest.approx(0.9)  # 9 / (9 + 1)
    assert rule.choose(probabilities).tolist() == [1, 0, 0]


def test_of_three_classes_the_label_has_the_least_expected_cost() -> None:
    costs = {
        "bad": {"fair": 1, "good": 10},
        "fair": {"bad": 1, "good": 1},
        "good": {"bad": 10, "fair": 1},
    }
    objective = ObjectiveConfig(metric="cost", costs=costs)
    probabilities = np.array([[0.45, 0.1, 0.45], [0.9, 0.08, 0.02], [0.2, 0.2, 0.6]], np.float32)
    rule = choose_rule(probabilities, np.array([0, 0, 2]), objective, THREE)
    # bad, fair, good cost the first 0.1 + 4.5, 0.45 + 0.45, 4.5 + 0.1; the second 0.28, 0.92, 9.08;
    # the third 6.2, 0.8, 2.2
    assert rule.choose(probabilities).tolist() == [1, 0, 1]
    assert DecisionRule().choose(probabilities).tolist() == [0, 0, 2]


def test_equal_costs_choose_the_most_probable_class() -> None:
    probabilities = simulated(500, classes=THREE).probabilities
    rule = DecisionRule(costs=(1 - np.eye(3)).tolist())
    np.testing.assert_array_equal(rule.choose(probabilities), probabilities.argmax(1))


def rare(n: int, share: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Simulate reviews of which so many are spam, and the calibrated probabilities that one noisy feature gives."""
    random = np.random.default_rng(seed)
    labels = (random.random(n) < share).astype(int)
    log_odds = 1.5 * random.normal(0, 1, n) + 1.5**2 * (labels - 0.5) + np.log(share / (1 - share))
    return both(1 / (1 + np.exp(-log_odds))), labels


@pytest.mark.parametrize("metric", ["macro_f1", "mcc"])
def test_a_rare_class_is_found_more_often_where_the_metric_asks_for_it(metric: Literal["macro_f1", "mcc"]) -> None:
    probabilities, labels = rare(1000, 0.1, seed=0)
    rule = choose_rule(probabilities, labels, ObjectiveConfig(metric=metric), TWO)
    assert rule.threshold is not None
    assert rule.threshold < 0.45
    new, truth = rare(20_000, 0.1, seed=1)

    def value(predicted: NDArray[np.int8]) -> float:
        if metric == "mcc":
            return float(sk.matthews_corrcoef(truth, predicted))
        return float(sk.f1_score(truth, predicted, average="macro"))

    assert value(rule.choose(new)) > value(DecisionRule(0.5).choose(new)) + 0.01


def test_weights_of_three_classes_are_those_of_a_grid() -> None:
    test = simulated(300, seed=3, classes=THREE)
    rare_last = (test.labels != 2) | (np.arange(300) % 10 == 0)
    p, y = test.probabilities[rare_last].astype(np.float64), test.labels[rare_last]
    membership = (np.eye(3)[y] + p) / 2

    def value(weights: NDArray[np.float64]) -> float:
        chosen = np.eye(3)[(p * weights).argmax(1)]
        return float(macro_f1((chosen * membership).sum(0), chosen.sum(0), membership.sum(0)))

    grid = 2.0 ** np.arange(-3, 3.01, 0.25)
    best = max(value(np.array([1, second, third])) for second in grid for third in grid)
    fitted = fit_class_weights(p, y, macro_f1)
    assert value(fitted) >= best - 0.005
    assert value(fitted) > value(np.ones(3)) + 0.01


def test_fitted_weights_of_three_classes_become_costs_of_the_true_class() -> None:
    test = simulated(300, seed=3, classes=THREE)
    rule = choose_rule(test.probabilities, test.labels, ObjectiveConfig(metric="mcc"), THREE)
    costs = np.array(rule.costs)
    weights = fit_class_weights(test.probabilities.astype(np.float64), test.labels, matthews_correlation)
    np.testing.assert_allclose(costs, weights[:, None] * (1 - np.eye(3)))
    np.testing.assert_array_equal(rule.choose(test.probabilities), (test.probabilities * weights).argmax(1))


def test_a_reached_precision_has_the_highest_recall(caplog: pytest.LogCaptureFixture) -> None:
    # 100 sure ones of spam, then 100 of which 80 are, then ham
    probabilities = both(np.repeat([0.9, 0.7, 0.2], 100))
    labels = np.repeat([1, 1, 0, 0], [100, 80, 20, 100])
    caplog.set_level(logging.INFO)
    rule = choose_rule(probabilities, labels, ObjectiveConfig(metric="precision", precision=0.95), TWO)
    assert rule.threshold == pytest.approx(0.8)
    assert "100 of the 100 reviews labelled so are right" in caplog.text
    # 180 of 200 are 0.9, but that may be luck: at least 0.876 by the lower bound
    assert choose_rule(probabilities, labels, ObjectiveConfig(metric="precision", precision=0.87), TWO).threshold == 0.5
    objective = ObjectiveConfig(metric="precision", precision=0.89)
    assert choose_rule(probabilities, labels, objective, TWO).threshold == pytest.approx(0.8)


def test_the_precision_may_be_that_of_the_first_class() -> None:
    probabilities = both(np.repeat([0.1, 0.4, 0.9], 100))
    labels = np.repeat([0, 0, 1, 1], [100, 50, 50, 100])
    objective = ObjectiveConfig(metric="precision", precision=0.95, precision_of="ham")
    rule = choose_rule(probabilities, labels, objective, TWO)
    assert rule.threshold == pytest.approx(0.25)  # ham only below: 100 of 100
    assert objective_value(objective, TWO, labels, rule.choose(probabilities)) == pytest.approx(100 / 150)
    missed = objective_value(objective, TWO, labels, np.zeros(300, np.int8))
    assert missed == pytest.approx(0.5 - 0.95)  # 150 of 300 are ham


def test_a_precision_that_nothing_reaches_is_said_and_the_nearest_used(caplog: pytest.LogCaptureFixture) -> None:
    probabilities, labels = both(np.repeat([0.9, 0.2], 10)), np.repeat([1, 0, 0], [9, 1, 10])
    rule = choose_rule(probabilities, labels, ObjectiveConfig(metric="precision", precision=0.99), TWO)
    assert rule.threshold == 0.5
    assert "precision 0.99 of spam is not reached on validation; the threshold that comes nearest is" in caplog.text
    assert "9 of the 10 reviews labelled so are right" in caplog.text


def test_few_reviews_leave_the_threshold_of_accuracy_where_it_is() -> None:
    tests = [simulated(30, seed=seed) for seed in range(50)]
    thresholds = [choose_threshold(test.probabilities[:, 1], test.labels) for test in tests]
    assert sum(threshold != 0.5 for threshold in thresholds) <= 2  # one in twenty at most, by the test's level


def few(seed: int):
    return simulated(30, seed=seed)


def test_values_of_objectives_worked_by_hand() -> None:
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    costs = {"ham": {"spam": 9}, "spam": {"ham": 1}}
    values = [
        objective_value(objective, TWO, labels, predicted)
        for objective in (
            ObjectiveConfig(),
            ObjectiveConfig(metric="macro_f1"),
            ObjectiveConfig(metric="mcc"),
            ObjectiveConfig(metric="cost", costs=costs),
            ObjectiveConfig(metric="precision", precision=0.5),
            ObjectiveConfig(metric="precision", precision=0.6),
        )
    ]
    assert values == pytest.approx([0.75, (0.8 + 2 / 3) / 2, sk.matthews_corrcoef(labels, predicted), 9 / 4, 1, -0.1])
