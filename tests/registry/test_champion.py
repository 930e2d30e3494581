"""The comparison of a model with the champion."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.objective import ObjectiveConfig
from pipeline.inference.decision_rule import DecisionRule
from pipeline.registry.champion import compare, decide
from pipeline.runtime.errors import PipelineError
from pipeline.text.rows import read_texts
from tests.support.scored import write_dataset

CLASSES = ("bad", "so-so", "good")


class AlwaysFair:
    """Champion that calls every review so-so, if only just."""

    classes, rule = CLASSES, DecisionRule()

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        return np.tile(np.array([0.3, 0.4, 0.3], np.float32), (len(list(texts)), 1))


def test_of_several_classes_right_and_wrong_answers_are_compared(tmp_path: Path) -> None:
    write_dataset(tmp_path, classes=CLASSES)
    _, labels = read_texts(tmp_path, "validation")
    predictions = {f"validation-{row}": int(label) for row, label in enumerate(labels)}
    predictions |= {f"validation-{row}": 0 for row in range(9)}  # the 5 of them that are not bad are wrong
    comparison = compare(predictions, AlwaysFair(), tmp_path)
    assert (comparison.metric, comparison.test) == ("accuracy", "McNemar")
    assert comparison.value == 31 / 36
    assert comparison.champion_value == pytest.approx(1 / 3)
    assert comparison.p_value < 0.01
    with pytest.raises(PipelineError, match="no validation review 'validation-0': they are of another dataset"):
        compare({"other": 0}, AlwaysFair(), tmp_path)


def test_macro_f1_decides_where_labels_are_chosen_for_it(tmp_path: Path) -> None:
    write_dataset(tmp_path, copies=10, classes=CLASSES)
    _, labels = read_texts(tmp_path, "validation")
    objective = ObjectiveConfig(metric="macro_f1")
    # right in no more reviews than the champion, a third, but not all of one class
    predictions = {f"validation-{row}": (int(label) + (row % 3 > 0)) % 3 for row, label in enumerate(labels)}
    by_accuracy = compare(predictions, AlwaysFair(), tmp_path)
    comparison = compare(predictions, AlwaysFair(), tmp_path, objective)
    assert by_accuracy.value == pytest.approx(by_accuracy.champion_value, abs=0.02)
    assert comparison.champion_value == pytest.approx((0 + 0.5 + 0) / 3)
    assert comparison.value > comparison.champion_value + 0.1
    decision = decide(comparison, 0.05, queued=False)
    assert decision.alias == "champion"
    assert decision.reason.startswith(
        f"validation macro F1 {comparison.value:.4f} against 0.1667 of the champion (permu"
    )
    assert comparison.p_value < 0.02


def test_of_costs_the_lower_is_better(tmp_path: Path) -> None:
    write_dataset(tmp_path, classes=CLASSES)
    _, labels = read_texts(tmp_path, "validation")
    dear = {actual: {label: 9.0 for label in CLASSES if label != actual} for actual in CLASSES}
    objective = ObjectiveConfig(metric="cost", costs=dear)
    predictions = {f"validation-{row}": int(label) for row, label in enumerate(labels)}
    comparison = compare(predictions, AlwaysFair(), tmp_path, objective)
    assert (comparison.value, comparison.champion_value) == (0, pytest.approx(6))
    assert comparison.as_good
