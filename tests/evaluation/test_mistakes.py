import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.mistakes import Mistake, confident_mistakes
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.decision_rule import DecisionRule
from tests.support.scored import two_classes


def test_the_worst_mistakes_come_first_and_long_texts_are_shortened() -> None:
    labels = np.array([1, 0, 1, 0], np.int8)
    rows = pa.table({"id": list("abcd"), "label": labels})
    texts = ["fine", "x" * 1000, "dull", "good"]
    test = two_classes(rows, labels, np.ones(4, int), [0.9, 0.95, 0.2, 0.1])
    worst = confident_mistakes(test, texts)
    assert [(mistake.id, mistake.label) for mistake in worst] == [("b", "negative"), ("c", "positive")]
    assert worst[0].text == "x" * 400 + " …"
    assert worst[1] == Mistake("c", "positive", "negative", pytest.approx(0.2), pytest.approx(0.2), "dull")


def test_a_mistake_of_several_classes_names_both_classes_and_their_probabilities() -> None:
    classes = ["bad", "so-so", "good"]
    labels = np.array([0, 1, 2], np.int8)
    rows = pa.table({"id": list("abc"), "label": labels})
    answers = np.array([[0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]], np.float32)
    test = ScoredSplit("test", rows, labels, np.ones(3, int), classes, answers, DecisionRule())
    worst = confident_mistakes(test, ["one", "two", "three"])
    assert worst == [
        Mistake("c", "good", "bad", pytest.approx(0.5), pytest.approx(0.1), "three"),
        Mistake("a", "bad", "so-so", pytest.approx(0.6), pytest.approx(0.3), "one"),
    ]
