"""The comparison of a model with the champion."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.predictions import read_texts
from pipeline.registry.champion import compare
from pipeline.runtime.errors import PipelineError
from tests.support.scored import write_dataset

CLASSES = ("bad", "so-so", "good")


class AlwaysFair:
    """Champion that calls every review so-so, if only just."""

    classes, threshold = CLASSES, None

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        return np.tile(np.array([0.3, 0.4, 0.3], np.float32), (len(list(texts)), 1))


def test_of_several_classes_right_and_wrong_answers_are_compared(tmp_path: Path) -> None:
    write_dataset(tmp_path, classes=CLASSES)
    _, labels = read_texts(tmp_path, "validation")
    predictions = {f"validation-{row}": int(label) for row, label in enumerate(labels)}
    predictions |= {f"validation-{row}": 0 for row in range(9)}  # the 5 of them that are not bad are wrong
    comparison = compare(predictions, AlwaysFair(), tmp_path)
    assert comparison.accuracy == 31 / 36
    assert comparison.champion_accuracy == pytest.approx(1 / 3)
    assert comparison.p_value < 0.01
    with pytest.raises(PipelineError, match="no validation review 'validation-0': they are of another dataset"):
        compare({"other": 0}, AlwaysFair(), tmp_path)
