"""Score a split of the dataset from its texts, as a user would, and keep the predictions."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.predictor import Predictor
from pipeline.runtime.atomic import replace
from pipeline.runtime.errors import PipelineError
from pipeline.tables.parquet import open_with_columns, require_values
from pipeline.text.dataset import read_dataset_record
from pipeline.text.rows import read_rows, stream_texts
from pipeline.text.unspaced import space_characters

PREDICTION_COLUMNS = {"split": pa.string(), "id": pa.string(), "predicted": pa.int8()}
"""Columns that a file of predictions must have."""
PREDICTIONS_REMEDY = "run `dvc repro`"


class Classifier(Protocol):
    """A `Predictor`, or anything else that classifies texts."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, by index."""

    @property
    def rule(self) -> DecisionRule:
        """Decision rule from the probabilities to a label."""

    def probabilities(self, texts: Iterable[str], /) -> NDArray[np.float32]:
        """Return the calibrated probability of each class `[n, classes]` for the texts, in their order."""


@dataclass(frozen=True)
class ScoredSplit:
    """A split with a classifier's answers, all in the dataset's order; arrays are `[n]` unless they say otherwise."""

    split: str
    rows: pa.Table
    """Id, label and the kept columns."""
    labels: NDArray[np.int8]
    words: NDArray[np.int64]
    """Length of each review: words between white space, of the whole text, after `space_characters`."""
    classes: Sequence[str]
    """Names of the classes, by index."""
    probabilities: NDArray[np.float32]
    """Probability of each class `[n, classes]`."""
    rule: DecisionRule
    """Decision rule of the `Classifier`."""
    ordered: bool = False
    """The order of the classes means something."""

    @property
    def predicted(self) -> NDArray[np.int8]:
        """Predicted class indices."""
        return self.rule.choose(self.probabilities)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Probability of the predicted class."""
        return self.probabilities[np.arange(len(self.labels)), self.predicted]


def score_split(dataset: Path, split: str, classifier: Classifier) -> ScoredSplit:
    """Have a classifier score the reviews of a split, with a progress bar; few of their texts are in memory.

    Raises:
        PipelineError: the split is missing, empty or damaged, or a probability is not finite.
    """
    rows, texts = read_rows(dataset, split), _CountedTexts(stream_texts(dataset, split))
    probabilities = classifier.probabilities(_with_progress(texts, split, len(rows)))
    return _answered(split, rows, texts.words, classifier, probabilities, read_dataset_record(dataset).corpus.ordered)


def score_split_and_paths(dataset: Path, split: str, predictor: Predictor) -> tuple[ScoredSplit, NDArray[np.float32]]:
    """Do what `score_split` does, and also return the outputs of `Predictor.probabilities_and_paths`."""
    rows, texts = read_rows(dataset, split), _CountedTexts(stream_texts(dataset, split))
    probabilities, paths = predictor.probabilities_and_paths(_with_progress(texts, split, len(rows)))
    ordered = read_dataset_record(dataset).corpus.ordered
    return _answered(split, rows, texts.words, predictor, probabilities, ordered), paths


def score_rows(name: str, rows: pa.Table, classifier: Classifier, *, ordered: bool) -> ScoredSplit:
    """Have a classifier score reviews, with a progress bar.

    Args:
        name: names the reviews, for messages.
        rows: id, text, label and the kept columns; at least one.
        classifier: the classifier.
        ordered: the order of the classes means something.

    Raises:
        PipelineError: a probability is not finite.
    """
    texts = _CountedTexts(chain.from_iterable(chunk.to_pylist() for chunk in rows["text"].chunks))
    probabilities = classifier.probabilities(_with_progress(texts, name, len(rows)))
    return _answered(name, rows.drop_columns(["text"]), texts.words, classifier, probabilities, ordered)


class _CountedTexts:
    """Texts whose words are counted as they pass."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts
        self.words = array("q")
        """Number of words of each text so far."""

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.words.append(len(space_characters(text).split()))
            yield text


def _with_progress(texts: Iterable[str], split: str, reviews: int) -> Iterable[str]:
    progress: Iterable[str] = tqdm(
        texts, desc=f"scoring {split}", total=reviews, unit=" reviews", disable=None, leave=False
    )
    return progress


def _answered(
    split: str,
    rows: pa.Table,
    words: "array[int]",  # without quotes Python 3.11 refuses it
    classifier: Classifier,
    probabilities: NDArray[np.float32],
    ordered: bool,
) -> ScoredSplit:
    if not np.isfinite(probabilities).all():
        raise PipelineError(f"the model gives no finite probability for some {split} reviews; train it again")
    return ScoredSplit(
        split=split,
        rows=rows,
        labels=rows["label"].to_numpy(),
        words=np.array(words, np.int64),
        classes=classifier.classes,
        probabilities=probabilities,
        rule=classifier.rule,
        ordered=ordered,
    )


def write_predictions(path: Path, splits: Iterable[ScoredSplit]) -> None:
    """Write split, id, label, predicted class, probability and the kept columns of all splits to one Parquet file.

    Label and predicted class are class indices. With two classes, `probability` is that of the second; with more, each
    has a column `probability_<class>`.

    Raises:
        PipelineError: a kept column has the name of one of these, or its types in the splits cannot be combined.
    """
    tables = [_predictions(scored) for scored in splits]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise PipelineError(f"corpus.keep_columns differ in type between the splits: {error}") from None
    with replace(path) as temporary:
        pq.write_table(table, temporary)


def _predictions(scored: ScoredSplit) -> pa.Table:
    columns = {
        "split": pa.array([scored.split] * len(scored.labels)),
        "id": scored.rows["id"],
        "label": scored.rows["label"],
        "predicted": pa.array(scored.predicted, type=pa.int8()),
        **_probability_columns(scored),
    }
    kept = scored.rows.drop_columns(["id", "label"])
    if clashing := sorted(columns.keys() & set(kept.column_names)):
        raise PipelineError(f"corpus.keep_columns: {clashing[0]!r} is a column of the predictions; rename yours")
    return pa.table(columns | {name: kept[name] for name in kept.column_names})


def _probability_columns(scored: ScoredSplit) -> dict[str, pa.Array]:
    columns = [pa.array(column, type=pa.float32()) for column in scored.probabilities.T]
    if len(columns) == 2:
        return {"probability": columns[1]}
    return {f"probability_{name}": column for name, column in zip(scored.classes, columns, strict=True)}


def read_predictions(path: Path, split: str) -> dict[str, int]:
    """Read the predicted class index of each review of a split, by id, from a file of `write_predictions`.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    with open_with_columns(path, PREDICTION_COLUMNS, PREDICTIONS_REMEDY) as file:
        table = file.read(list(PREDICTION_COLUMNS))
    require_values(path, table, PREDICTION_COLUMNS, PREDICTIONS_REMEDY)
    if pc.any(pc.less(table["predicted"], 0)).as_py():
        raise PipelineError(f"{path} is damaged: a predicted class has an index below 0; {PREDICTIONS_REMEDY}")
    table = table.filter(pc.equal(table["split"], split))
    return dict(zip(table["id"].to_pylist(), table["predicted"].to_pylist(), strict=True))
