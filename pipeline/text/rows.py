"""Rows of a split of the dataset: ids, texts, labels and kept columns of the reviews, from `<split>/rows.parquet`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.runtime.errors import PipelineError
from pipeline.tables.parquet import open_with_columns, require_values
from pipeline.text.dataset import DATASET_REMEDY, read_dataset_record
from pipeline.text.unspaced import CHARACTERS_OF_A_WORD, UNSPACED

ROW_COLUMNS = {"id": pa.string(), "text": pa.string(), "label": pa.int8()}
"""Columns that the rows of a labelled split must have; those of unlabelled reviews have only a text."""
TEXTS_AT_ONCE = 1024
"""Rows of a file whose texts are in memory at a time."""


def read_texts(dataset: Path, split: str) -> tuple[list[str], NDArray[np.int8]]:
    """Read all texts and labels of a split into memory.

    Raises:
        PipelineError: the split is missing, empty or damaged.
    """
    labels = read_labels(dataset, split)
    return list(stream_texts(dataset, split)), labels


def read_labels(dataset: Path, split: str) -> NDArray[np.int8]:
    """Read the class index of each review [n] of a split; errors as `read_texts`."""
    labels: NDArray[np.int8] = read_rows(dataset, split, ["id", "label"])["label"].to_numpy()
    return labels


def read_rows(dataset: Path, split: str, names: Sequence[str] | None = None) -> pa.Table:
    """Read these columns of a labelled split, or all but the texts; errors as `read_texts`."""
    path, info = _rows_path(dataset, split), read_dataset_record(dataset)
    if not (reviews := info.splits.get(split, 0)):
        raise PipelineError(f"the {split} split in {dataset} is empty; add reviews to it")
    with open_with_columns(path, ROW_COLUMNS, DATASET_REMEDY) as file:
        table = file.read(names or [name for name in file.schema_arrow.names if name != "text"])
    require_values(path, table, ROW_COLUMNS.keys() & set(table.column_names), DATASET_REMEDY)
    if table.num_rows != reviews:
        raise PipelineError(f"{path} is damaged: it has {table.num_rows} rows, not {reviews}; {DATASET_REMEDY}")
    if not pc.all(pc.is_in(table["label"], pa.array(range(len(info.corpus.classes)), pa.int8()))).as_py():
        problem = "neither 0 nor 1" if len(info.corpus.classes) == 2 else "not a class index"
        raise PipelineError(f"{path} is damaged: a label is {problem}; {DATASET_REMEDY}")
    return table


def first_of_each_class(labels: NDArray[np.int8], limit: int | None) -> NDArray[np.bool_]:
    """Return which reviews [n] to keep: the first `limit`, equally many of each class that occurs; without one all.

    Args:
        labels: class index of each review [n].
        limit: number of reviews; at least one of each class is kept.
    """
    if limit is None:
        return np.ones(len(labels), np.bool_)
    classes = np.unique(labels)
    kept = np.zeros(len(labels), np.bool_)
    for label in classes:
        kept[np.flatnonzero(labels == label)[: max(1, limit // len(classes))]] = True
    return kept


def stream_texts(dataset: Path, split: str, rows: NDArray[np.int64] | None = None) -> Iterator[str]:
    """Yield the texts of a split, holding only a few of them in memory.

    Args:
        dataset: the dataset folder.
        split: name of the split.
        rows: the rows to yield [n], in ascending order; None: all.

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
    """Return the number of characters of each text [n] of a split; errors as `stream_texts`.

    In scripts without spaces a character is read as a word, and counts as the characters of an average one.
    """
    return np.concatenate([_lengths(texts) for texts in _text_batches(dataset, split)], dtype=np.int64)


def _lengths(texts: pa.StringArray) -> NDArray[np.int32]:
    characters: NDArray[np.int32] = pc.utf8_length(texts).to_numpy()
    words: NDArray[np.int32] = pc.count_substring_regex(texts, UNSPACED.pattern).to_numpy()
    return characters + words * (CHARACTERS_OF_A_WORD - 1)


def _text_batches(dataset: Path, split: str) -> Iterator[pa.StringArray]:
    path = _rows_path(dataset, split)
    with open_with_columns(path, {"text": pa.string()}, DATASET_REMEDY) as file:
        for batch in file.iter_batches(TEXTS_AT_ONCE, columns=["text"]):
            require_values(path, batch, ["text"], DATASET_REMEDY)
            yield batch["text"]


def _rows_path(dataset: Path, split: str) -> Path:
    return dataset / split / "rows.parquet"
