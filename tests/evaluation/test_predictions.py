from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.labels import LABELS
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.predictions import ScoredSplit, read_predictions, score_split, write_predictions
from pipeline.runtime.errors import PipelineError
from pipeline.text.rows import read_texts
from tests.conftest import describe_dataset
from tests.support.scored import NEGATIVE, POSITIVE, simulated, write_dataset


def test_predictions_refuse_kept_columns_that_collide(tmp_path: Path) -> None:
    test = simulated(4)
    collision = ScoredSplit(**{**vars(test), "rows": test.rows.append_column("split", pa.array(["x"] * 4))})
    with pytest.raises(PipelineError, match="'split' is a column of the predictions"):
        write_predictions(tmp_path / "p.parquet", [collision])
    words = ScoredSplit(**{**vars(test), "rows": test.rows.drop_columns(["stars"]).append_column("stars", [["x"] * 4])})
    with pytest.raises(PipelineError, match="differ in type"):
        write_predictions(tmp_path / "p.parquet", [test, words])
    assert not list(tmp_path.iterdir())


def test_a_missing_or_empty_split_is_named(tmp_path: Path) -> None:
    describe_dataset(tmp_path, test=0, other=4)
    baseline = fit_baseline(POSITIVE + NEGATIVE, [1] * 4 + [0] * 4, POSITIVE, [1] * 4, LABELS)
    with pytest.raises(PipelineError, match=r"test split in .* is empty"):
        score_split(tmp_path, "test", baseline)
    with pytest.raises(PipelineError, match=r"other.rows\.parquet is missing"):
        score_split(tmp_path, "other", baseline)


@pytest.mark.parametrize("classes", [("ham", "spam"), ("bad", "so-so", "good")])
def test_the_predicted_classes_are_read_back_by_id(tmp_path: Path, classes: tuple[str, ...]) -> None:
    test = simulated(20, classes=classes)
    write_predictions(tmp_path / "p.parquet", [replace(test, split="validation"), test])
    assert list(read_predictions(tmp_path / "p.parquet", "test").values()) == test.predicted.tolist()
    table = pq.read_table(tmp_path / "p.parquet")
    last = table[f"probability_{classes[-1]}" if len(classes) > 2 else "probability"].to_numpy()
    assert (last == np.tile(test.probabilities[:, -1], 2)).all()


def test_a_label_that_is_no_number_of_a_class_is_damage(tmp_path: Path) -> None:
    write_dataset(tmp_path, classes=("a", "b", "c"))
    describe_dataset(tmp_path, classes=["a", "b"], test=36)
    with pytest.raises(PipelineError, match=r"rows\.parquet is damaged: a label is neither 0 nor 1"):
        read_texts(tmp_path, "test")
    write_dataset(tmp_path / "more", classes=("a", "b", "c", "d"))
    describe_dataset(tmp_path / "more", classes=["a", "b", "c"], test=48)
    with pytest.raises(PipelineError, match=r"rows\.parquet is damaged: a label is not a class index"):
        read_texts(tmp_path / "more", "test")
