import numpy as np
import pytest

from pipeline.evaluation.mcnemar import mcnemar
from pipeline.evaluation.permutation import permutation_test


def test_the_p_value_of_accuracies_is_near_that_of_mcnemar() -> None:
    labels = np.zeros(60, np.int8)
    first, second = labels.copy(), labels.copy()
    first[:2], second[2:14] = 1, 1  # 2 and 12 that only one gets wrong
    p_value = permutation_test(first, second, lambda predicted: float(np.mean(predicted == labels)))
    assert p_value == pytest.approx(mcnemar(first == labels, second == labels).p_value, abs=0.01)
    assert p_value == permutation_test(first, second, lambda predicted: float(np.mean(predicted == labels)))


def test_equal_labels_differ_by_chance_alone() -> None:
    labels = np.array([0, 1, 1], np.int8)
    assert permutation_test(labels, labels.copy(), lambda predicted: float(predicted.mean())) == 1
