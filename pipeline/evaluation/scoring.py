"""Score a split of the dataset, as a user would: from the texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import PipelineError
from pipeline.files import replace


class Classifier(Protocol):
    """A `Predictor`, or anything else that answers texts."""

    @property
    def threshold(self) -> float:
        """A review is called positive from this probability on."""

    def probabilities(self, texts: Iterable[str], /) -> NDArray[np.float32]:
        """Calibrated probability [n] that each text is positive, in the order of the texts."""


@dataclass(frozen=True)
class Scored:
    """A split with a classifier's answers, all [n] and in the dataset's order."""

    split: str
    rows: pa.Table
    """Id, label and the kept columns."""
    labels: NDArray[np.int8]
    words: NDArray[np.int64]
    """Length of each review: words between white space, of the whole text."""
    probabilities: NDArray[np.float32]
    threshold: float

    @property
    def predicted(self) -> NDArray[np.int8]:
        """The label answered."""
        return (self.probabilities >= self.threshold).astype(np.int8)


def read_texts(dataset: Path, split: str) -> tuple[list[str], NDArray[np.int8]]:
    """Texts and labels of a split.

    Raises:
        PipelineError: the split is missing or empty.
    """
    table = _read(dataset, split, columns=["text", "label"])
    return table["text"].to_pylist(), table["label"].to_numpy()


def score(dataset: Path, split: str, classifier: Classifier) -> Scored:
    """Have a classifier answer the reviews of a split, with a progress bar.

    Raises:
        PipelineError: the split is missing or empty, or an answer is not finite.
    """
    table = _read(dataset, split)
    texts = table["text"].to_pylist()
    answers = classifier.probabilities(tqdm(texts, desc=f"scoring {split}", unit=" reviews", disable=None))
    if not np.isfinite(answers).all():
        raise PipelineError(f"the model gives no finite probability for some {split} reviews; train it anew")
    return Scored(
        split=split,
        rows=table.drop_columns(["text"]),
        labels=table["label"].to_numpy(),
        words=np.array([len(text.split()) for text in texts]),
        probabilities=answers,
        threshold=classifier.threshold,
    )


def write_predictions(path: Path, splits: Iterable[Scored]) -> None:
    """Write split, id, label, probability and the kept columns of all splits to one Parquet file.

    Raises:
        PipelineError: a kept column has the name of another, or types that do not go together in the splits.
    """
    tables = [_predictions(scored) for scored in splits]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise PipelineError(f"corpus.keep_columns differ in type between the splits: {error}") from None
    with replace(path) as temporary:
        pq.write_table(table, temporary)


def _predictions(scored: Scored) -> pa.Table:
    own = {
        "split": pa.array([scored.split] * len(scored.labels)),
        "id": scored.rows["id"],
        "label": scored.rows["label"],
        "probability": pa.array(scored.probabilities, type=pa.float32()),
    }
    kept = scored.rows.drop_columns(["id", "label"])
    if taken := sorted(own.keys() & set(kept.column_names)):
        raise PipelineError(f"corpus.keep_columns: {taken[0]!r} is a column of the predictions; rename yours")
    return pa.table(own | {name: kept[name] for name in kept.column_names})


def _read(dataset: Path, split: str, columns: list[str] | None = None) -> pa.Table:
    path = dataset / split / "rows.parquet"
    try:
        table = pq.read_table(path, columns=columns)
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing: the {split} split is empty, or `dvc repro` has not run yet") from None
    if table.num_rows == 0:
        raise PipelineError(f"the {split} split in {dataset} is empty; give it reviews")
    return table
