"""Score a split of the dataset from its texts, as a user would, and keep the predictions."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from pipeline.tables.parquet import open_parquet
from pipeline.text.dataset import DATASET_REMEDY, read_dataset_info

ROW_COLUMNS = {"id": pa.string(), "text": pa.string(), "label": pa.int8()}
"""Columns that the rows of a labelled split must have."""
TEXTS_AT_ONCE = 1024
"""Rows of a file whose texts are in memory at a time."""
PREDICTION_COLUMNS = {"split": pa.string(), "id": pa.string(), "predicted": pa.int8()}
"""Columns that a file of predictions must have."""


class Classifier(Protocol):
    """A `Predictor`, or anything else that classifies texts."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, by number."""

    @property
    def rule(self) -> DecisionRule:
        """Way from the probabilities to a label."""

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
    """Length of each review: words between white space, of the whole text."""
    classes: Sequence[str]
    """Names of the classes, by number."""
    probabilities: NDArray[np.float32]
    """Probability of each class `[n, classes]`."""
    rule: DecisionRule
    """That of the `Classifier`."""
    ordered: bool = False
    """The order of the classes means something."""

    @property
    def predicted(self) -> NDArray[np.int8]:
        """Numbers of the predicted classes."""
        return self.rule.choose(self.probabilities)


def read_texts(dataset: Path, split: str) -> tuple[list[str], NDArray[np.int8]]:
    """Read all texts and labels of a split into memory.

    Raises:
        PipelineError: the split is missing, empty or damaged.
    """
    labels = read_labels(dataset, split)
    return list(stream_texts(dataset, split)), labels


def read_labels(dataset: Path, split: str) -> NDArray[np.int8]:
    """Read the number of the class of each review [n] of a split; errors as `read_texts`."""
    labels: NDArray[np.int8] = _read_rows(dataset, split, ["id", "label"])["label"].to_numpy()
    return labels


def stream_texts(dataset: Path, split: str, rows: NDArray[np.int64] | None = None) -> Iterator[str]:
    """Yield the texts of a split, holding only a few of them in memory.

    Args:
        dataset: the dataset folder.
        split: name of the split.
        rows: the rows to yield [n], in rising order; None: all.

    Raises:
        PipelineError: the split is missing or damaged.
    """
    start = 0
    for texts in _text_batches(dataset, split):
        if rows is None:
            yield from texts.to_pylist()
        else:
            first, end = np.searchsorted(rows, (start, start + len(texts)))
            yield from texts.take(pa.array(rows[first:end] - start)).to_pylist()
        start += len(texts)


def text_lengths(dataset: Path, split: str) -> NDArray[np.int64]:
    """Return the number of characters of each text [n] of a split; errors as `stream_texts`."""
    return np.concatenate([pc.utf8_length(texts).to_numpy() for texts in _text_batches(dataset, split)], dtype=np.int64)


def _text_batches(dataset: Path, split: str) -> Iterator[pa.StringArray]:
    path = _rows_path(dataset, split)
    with _parquet_file(path, {"text": pa.string()}, DATASET_REMEDY) as file:
        for batch in file.iter_batches(TEXTS_AT_ONCE, columns=["text"]):
            if batch["text"].null_count:
                raise PipelineError(_lacks_a_value(path, "text", DATASET_REMEDY))
            yield batch["text"]


def score_split(dataset: Path, split: str, classifier: Classifier) -> ScoredSplit:
    """Have a classifier score the reviews of a split, with a progress bar; few of their texts are in memory.

    Raises:
        PipelineError: the split is missing, empty or damaged, or a probability is not finite.
    """
    rows, texts = _read_rows(dataset, split), _CountedTexts(stream_texts(dataset, split))
    probabilities = classifier.probabilities(_with_progress(texts, split, len(rows)))
    return _answered(split, rows, texts.words, classifier, probabilities, read_dataset_info(dataset).corpus.ordered)


def score_split_and_paths(dataset: Path, split: str, predictor: Predictor) -> tuple[ScoredSplit, NDArray[np.float32]]:
    """Do what `score_split` does, and also return the outputs of `Predictor.probabilities_and_paths`."""
    rows, texts = _read_rows(dataset, split), _CountedTexts(stream_texts(dataset, split))
    probabilities, paths = predictor.probabilities_and_paths(_with_progress(texts, split, len(rows)))
    ordered = read_dataset_info(dataset).corpus.ordered
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
        """Words between white space of each text so far."""

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.words.append(len(text.split()))
            yield text


def _with_progress(texts: Iterable[str], split: str, reviews: int) -> Iterable[str]:
    shown: Iterable[str] = tqdm(
        texts, desc=f"scoring {split}", total=reviews, unit=" reviews", disable=None, leave=False
    )
    return shown


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

    Label and predicted class are numbers. Of two classes, `probability` is that of the second; of more, there is a
    column `probability_<class>` for each.

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
    """Read the number of the predicted class of each review of a split, by id, from a file of `write_predictions`.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    table = _read_columns(path, PREDICTION_COLUMNS, "run `dvc repro`", list(PREDICTION_COLUMNS))
    if pc.any(pc.less(table["predicted"], 0)).as_py():
        raise PipelineError(f"{path} is damaged: a predicted class has a number below 0; run `dvc repro`")
    table = table.filter(pc.equal(table["split"], split))
    return dict(zip(table["id"].to_pylist(), table["predicted"].to_pylist(), strict=True))


def _read_rows(dataset: Path, split: str, names: Sequence[str] | None = None) -> pa.Table:
    """Read these columns of a split, or all but the texts."""
    path, info = _rows_path(dataset, split), read_dataset_info(dataset)
    if not (reviews := info.splits.get(split, 0)):
        raise PipelineError(f"the {split} split in {dataset} is empty; add reviews to it")
    table = _read_columns(path, ROW_COLUMNS, DATASET_REMEDY, names)
    if table.num_rows != reviews:
        raise PipelineError(f"{path} is damaged: it has {table.num_rows} rows, not {reviews}; {DATASET_REMEDY}")
    if not pc.all(pc.is_in(table["label"], pa.array(range(len(info.corpus.classes)), pa.int8()))).as_py():
        numbers = "neither 0 nor 1" if len(info.corpus.classes) == 2 else "the number of no class"
        raise PipelineError(f"{path} is damaged: a label is {numbers}; {DATASET_REMEDY}")
    return table


def _rows_path(dataset: Path, split: str) -> Path:
    return dataset / split / "rows.parquet"


def _read_columns(path: Path, columns: Mapping[str, pa.DataType], remedy: str, names: Sequence[str] | None) -> pa.Table:
    """Read the named columns of a Parquet file, or all but the texts; `columns` are there, and lack no value."""
    with _parquet_file(path, columns, remedy) as file:
        table = file.read(names or [name for name in file.schema_arrow.names if name != "text"])
    for name in columns.keys() & set(table.column_names):
        if table[name].null_count:
            raise PipelineError(_lacks_a_value(path, name, remedy))
    return table


def _lacks_a_value(path: Path, column: str, remedy: str) -> str:
    return f"{path} is damaged: its column {column!r} lacks a value; {remedy}"


@contextmanager
def _parquet_file(path: Path, columns: Mapping[str, pa.DataType], remedy: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file that has these columns."""
    with open_parquet(path, remedy) as file:
        for name, expected in columns.items():
            types = [field.type for field in file.schema_arrow if field.name == name]
            if types != [expected]:
                actual = " and ".join(map(str, types)) or "nothing"
                raise PipelineError(f"{path} is damaged: its column {name!r} holds {actual}, not {expected}; {remedy}")
        yield file
