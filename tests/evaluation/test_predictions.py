from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.config.labels import LABELS
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.predictions import ScoredSplit, score_split, write_predictions
from pipeline.runtime.errors import PipelineError
from tests.conftest import describe_dataset
from tests.support.scored import NEGATIVE, POSITIVE, simulated


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
