from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluation.mistakes import Mistake, confident_mistakes
from pipeline.evaluation.predictions import ScoredSplit
from tests.conftest import describe_dataset
from tests.support.scored import two_classes


def test_the_worst_mistakes_come_first_and_long_texts_are_shortened(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    describe_dataset(tmp_path, test=4)
    labels = np.array([1, 0, 1, 0], np.int8)
    rows = pa.table({"id": list("abcd"), "label": labels})
    texts = ["fine", "x" * 1000, "dull", "good"]
    pq.write_table(rows.append_column("text", [texts]), tmp_path / "test" / "rows.parquet")
    test = two_classes(rows, labels, np.ones(4, int), [0.9, 0.95, 0.2, 0.1])
    worst = confident_mistakes(test, tmp_path)
    assert [(mistake.id, mistake.label) for mistake in worst] == [("b", "negative"), ("c", "positive")]
    assert worst[0].text == "x" * 400 + " …"
    assert worst[1] == Mistake("c", "positive", "negative", pytest.approx(0.2), pytest.approx(0.2), "dull")


def test_a_mistake_of_several_classes_names_both_classes_and_their_probabilities(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    classes = ["bad", "so-so", "good"]
    describe_dataset(tmp_path, classes=classes, test=3)
    labels = np.array([0, 1, 2], np.int8)
    rows = pa.table({"id": list("abc"), "label": labels})
    pq.write_table(rows.append_column("text", [["one", "two", "three"]]), tmp_path / "test" / "rows.parquet")
    answers = np.array([[0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]], np.float32)
    worst = confident_mistakes(ScoredSplit("test", rows, labels, np.ones(3, int), classes, answers, None), tmp_path)
    assert worst == [
        Mistake("c", "good", "bad", pytest.approx(0.5), pytest.approx(0.1), "three"),
        Mistake("a", "bad", "so-so", pytest.approx(0.6), pytest.approx(0.3), "one"),
    ]
