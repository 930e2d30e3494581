"""The encoded dataset on disk: `artifacts/dataset/`.

    dataset.json          what it was made from and how, sizes, digest
    vocab.json            the words, in the order of their ids
    vectors.npy           where the network's word vectors start: float32 [words, dimension]; only with text.vectors
    vectors_covered.npy   which words have one there: bool [words]; the rows of the others are 0
    <split>/ids.npy       token ids of all reviews, one after the other: int32 [tokens]
    <split>/offsets.npy   where each review begins, and where the last ends: int64 [reviews + 1]
    <split>/labels.npy    int8 [reviews]; not for unlabelled reviews
    <split>/rows.parquet  id, cleaned text, label and kept columns of the same reviews

The arrays are memory-mapped, so any number of processes share one copy.
"""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import Config, require_same
from pipeline.runtime.arrays import CHUNK, ArrayFile
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import Record, read_json
from pipeline.text.vocabulary import UNKNOWN, Vocabulary

REMEDY = "prepare the dataset with `dvc repro preprocess`"


@dataclass(frozen=True)
class EncodedSplit:
    """The reviews of one split as token ids."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int8]
    """Empty for unlabelled reviews."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        """Token ids [n] of one review."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each review [reviews]."""
        return np.diff(self.offsets)

    @property
    def unknown_share(self) -> NDArray[np.float64]:
        """Share [reviews] of each review's tokens that the vocabulary lacks."""
        unknown = np.add.reduceat(self.ids == UNKNOWN, self.offsets[:-1])
        return unknown / self.lengths


class CorpusInfo(Record):
    """`corpus.json` of a corpus, which the description of its dataset repeats."""

    name: str
    source: str
    licence: str
    citation: str
    checksum: str | None
    config: dict[str, Any]
    """Configuration it was fetched with."""
    splits: dict[str, int]
    """Reviews in each, before duplicates are dropped."""
    left_out: dict[str, int]


class DatasetInfo(Record):
    """`dataset.json`."""

    digest: str
    """Hash of the vocabulary and all arrays."""
    corpus: CorpusInfo
    split: dict[str, Any]
    """Configuration it was made with, like `text`."""
    text: dict[str, Any]
    vocabulary: int
    splits: dict[str, int]
    """Reviews in each."""


def read_split(folder: Path, name: str) -> EncodedSplit:
    """Memory-map one split of a dataset folder.

    Raises:
        PipelineError: an array is missing or damaged, or they do not fit one another or the vocabulary.
    """
    offsets = ArrayFile(folder / name / "offsets.npy", np.int64, (None,), REMEDY)
    reviews = len(offsets.array) - 1
    offsets.require(reviews > 0 and offsets.array[0] == 0, "it does not begin with 0, or tells of no review")
    offsets.require_rising()
    ids = ArrayFile(folder / name / "ids.npy", np.int32, (int(offsets.array[-1]),), REMEDY)
    ids.require_within(0, len(Vocabulary.load(folder / "vocab.json")) - 1)
    if name == "unlabelled":
        return EncodedSplit(ids.array, offsets.array, np.empty(0, np.int8))
    labels = ArrayFile(folder / name / "labels.npy", np.int8, (reviews,), REMEDY)
    labels.require_within(0, 1)
    return EncodedSplit(ids.array, offsets.array, labels.array)


def read_info(folder: Path) -> DatasetInfo:
    """`dataset.json`.

    Raises:
        PipelineError: the folder holds no dataset.
    """
    return read_json(folder / "dataset.json", DatasetInfo, REMEDY)


def require_whole(folder: Path, info: DatasetInfo) -> None:
    """Refuse a dataset that cannot be trained on, before an MLflow run is opened.

    Args:
        folder: of the dataset.
        info: `dataset.json`.

    Raises:
        PipelineError: the vocabulary or a split other than that for testing is missing or damaged.
    """
    read_vocabulary(folder)
    for name in info.splits.keys() - {"test"}:
        read_split(folder, name)


def read_vocabulary(folder: Path) -> Vocabulary:
    """The words of a dataset.

    Raises:
        PipelineError: the file is missing or damaged, or has another number of words than the dataset was made with.
    """
    vocabulary, made_with = Vocabulary.load(folder / "vocab.json"), read_info(folder).vocabulary
    if len(vocabulary) != made_with:
        raise PipelineError(
            f"{folder / 'vocab.json'} is damaged: it has {len(vocabulary)} words, not {made_with}; {REMEDY}"
        )
    return vocabulary


def read_vectors(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """The word vectors [words, dimension] and which words have one [words]; None for a dataset without any.

    Raises:
        PipelineError: an array is damaged, or does not fit the vocabulary.
    """
    if not (folder / "vectors.npy").exists():
        return None
    words = len(Vocabulary.load(folder / "vocab.json"))
    vectors = ArrayFile(folder / "vectors.npy", np.float32, (words, None), REMEDY)
    limit = float(np.finfo(np.float32).max)
    vectors.require_within(-limit, limit)
    covered = ArrayFile(folder / "vectors_covered.npy", np.bool_, (words,), REMEDY)
    return vectors.array, np.array(covered.array)


def require_prepared_for(config: Config, info: DatasetInfo) -> None:
    """Refuse a dataset that was made from another corpus, split or text configuration than is asked for.

    Args:
        config: what is asked for.
        info: `dataset.json`.

    Raises:
        PipelineError: they differ; names the first key that does.
    """
    require_same(
        config.model_dump(include={"corpus", "split", "text"}),
        {"corpus": info.corpus.config, "split": info.split, "text": info.text},
        Path("artifacts/dataset"),
        "prepare it with `dvc repro preprocess` (or `dvc exp run -S …`) first",
    )


class SplitWriter:
    """Writes one split review by review: first in provisional ids, then, when all words are known, in final ones."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._provisional: BinaryIO = (folder / "provisional").open("wb+")
        self._rows: pq.ParquetWriter | None = None
        self._lengths = array("i")
        self._labels = array("b")

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._provisional.close()
        if self._rows is not None:
            self._rows.close()

    def add(self, rows: pa.RecordBatch, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> None:
        """Append reviews: their rows, their provisional ids one after the other, and how many ids each has."""
        if self._rows is None:
            self._rows = pq.ParquetWriter(self._folder / "rows.parquet", rows.schema)
        self._rows.write_batch(rows)
        self._provisional.write(ids.tobytes())
        self._lengths.frombytes(lengths.tobytes())
        if "label" in rows.schema.names:
            self._labels.frombytes(rows.column("label").to_numpy().tobytes())

    def finish(self, final: NDArray[np.int32], digest: "hashlib._Hash") -> float:
        """Write the arrays, with `final[provisional id]` for each id, and add them to `digest`.

        Returns:
            the share of unknown words.
        """
        offsets = np.zeros(len(self._lengths) + 1, np.int64)
        np.cumsum(np.frombuffer(self._lengths, np.int32), out=offsets[1:])
        np.save(self._folder / "offsets.npy", offsets)
        digest.update(offsets.data)
        if self._labels:
            labels = np.frombuffer(self._labels, np.int8)
            np.save(self._folder / "labels.npy", labels)
            digest.update(labels.data)
        unknown, size = 0, int(offsets[-1])
        self._provisional.seek(0)
        with (self._folder / "ids.npy").open("wb") as file:  # not memory-mapped: a full disk would kill the process
            header = {"descr": np.lib.format.dtype_to_descr(final.dtype), "fortran_order": False, "shape": (size,)}
            np.lib.format.write_array_header_1_0(file, header)
            while read := self._provisional.read(CHUNK * 4):
                chunk = final[np.frombuffer(read, np.int32)]
                file.write(chunk.data)
                unknown += int((chunk == UNKNOWN).sum())
                digest.update(chunk.data)
        self._provisional.close()
        (self._folder / "provisional").unlink()
        return unknown / size
