"""Encoded dataset on disk: `artifacts/dataset/`.

    dataset.json          corpus and configuration it was made from, sizes, digest
    vocab.json            words, in the order of their ids
    sentencepiece.model   model of the tokenizer; only with text.tokenizer=sentencepiece
    vectors.npy           initial word vectors of the network: float32 [words, dimension]; only with text.vectors
    vectors_covered.npy   words that have such a vector: bool [words]; the rows of the others are 0
    <split>/ids.npy       token ids of all reviews, one after the other: int32 [tokens]
    <split>/offsets.npy   start of each review in ids.npy, and the end of the last: int64 [reviews + 1]
    <split>/labels.npy    int8 [reviews]; not for unlabelled reviews
    <split>/groups.npy    group id of each review: int32 [reviews]; train and validation only, numbered together
    <split>/copies.npy    reviews that each stands for: int32 [reviews]; these two only, with corpus.duplicates=weight
    <split>/rows.parquet  id, cleaned text, label and kept columns of the same reviews

The arrays are memory-mapped, so any number of processes share one copy.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.config.comparison import require_same
from pipeline.config.schema import Config
from pipeline.runtime.arrays import ArrayFile
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import UNKNOWN, Vocabulary

DATASET_REMEDY = "prepare the dataset with `dvc repro preprocess`"


@dataclass(frozen=True)
class EncodedSplit:
    """Reviews of one split as token ids."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int8]
    """Empty for unlabelled reviews."""
    copies: NDArray[np.int32] | None = None
    """Number of reviews of the corpus, with the same text and label, that each stands for; None: only for itself."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        """Return the token ids [n] of one review."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each review [reviews]."""
        return np.diff(self.offsets)

    @property
    def unknown_share(self) -> NDArray[np.float64]:
        """Share of each review's tokens that the vocabulary lacks [reviews]."""
        unknown = np.add.reduceat(self.ids == UNKNOWN, self.offsets[:-1])
        return unknown / self.lengths


class CorpusRecord(Record):
    """Content of `corpus.json`, which `dataset.json` repeats."""

    name: str
    source: str
    licence: str
    citation: str
    checksum: str | None
    config: dict[str, Any]
    """Section `corpus` of the configuration it was downloaded with."""
    classes: list[str]
    """Names of the classes, by index."""
    ordered: bool
    """The order of the classes means something."""
    splits: dict[str, int]
    """Number of reviews of each split, before duplicates are dropped."""
    left_out: dict[str, int]
    """Number of rows that did not become reviews, by reason."""
    ungrouped: int | None = None
    """Number of reviews that name no group, and are each a group of its own; None where the files have no groups."""

    @property
    def auxiliary(self) -> str | None:
        """Name of the auxiliary texts; None where there are none."""
        auxiliary = self.config.get("auxiliary")
        return None if auxiliary is None else auxiliary["name"]


class DatasetRecord(Record):
    """Content of `dataset.json`."""

    digest: str
    """Hash of the vocabulary and all arrays."""
    corpus: CorpusRecord
    split: dict[str, Any]
    """Section `split` of the configuration it was made with; `text` below likewise."""
    text: dict[str, Any]
    vocabulary: int
    """Number of words."""
    splits: dict[str, int]
    """Number of reviews of each split."""

    dropped: dict[str, int] = Field(default_factory=dict)
    """Number of reviews of the corpus that are in no split, by reason."""

    @property
    def left_out(self) -> dict[str, int]:
        """Number of rows of the corpus that are in no split, by reason."""
        return self.corpus.left_out | self.dropped


def present_splits(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the named splits that a dataset folder has."""
    return [name for name in names if (folder / name).exists()]


def read_split(folder: Path, name: str) -> EncodedSplit:
    """Memory-map one split of a dataset folder.

    Raises:
        PipelineError: an array is missing or damaged, or they do not fit one another or the vocabulary.
    """
    offsets = ArrayFile(folder / name / "offsets.npy", np.int64, (None,), DATASET_REMEDY)
    reviews = len(offsets.array) - 1
    offsets.require(reviews > 0 and offsets.array[0] == 0, "it does not begin with 0, or holds no review")
    offsets.require_ascending()
    ids = ArrayFile(folder / name / "ids.npy", np.int32, (int(offsets.array[-1]),), DATASET_REMEDY)
    ids.require_within(0, len(Vocabulary.load(folder / "vocab.json")) - 1)
    if name == "unlabelled":
        return EncodedSplit(ids.array, offsets.array, np.empty(0, np.int8))
    labels = ArrayFile(folder / name / "labels.npy", np.int8, (reviews,), DATASET_REMEDY)
    labels.require_within(0, len(read_dataset_record(folder).corpus.classes) - 1)
    if not (folder / name / "copies.npy").exists():
        return EncodedSplit(ids.array, offsets.array, labels.array)
    copies = ArrayFile(folder / name / "copies.npy", np.int32, (reviews,), DATASET_REMEDY)
    copies.require_within(1, np.iinfo(np.int32).max)
    return EncodedSplit(ids.array, offsets.array, labels.array, copies.array)


def read_groups(folder: Path, name: str) -> NDArray[np.int32]:
    """Memory-map the group id of each review [reviews] of the training or the validation split.

    A group is never divided between training and held-out reviews. Without groups in the corpus, texts with the same
    letters and digits form a group.

    Raises:
        PipelineError: the array is missing or damaged.
    """
    reviews = read_dataset_record(folder).splits.get(name)
    return ArrayFile(folder / name / "groups.npy", np.int32, (reviews,), DATASET_REMEDY).array


def read_dataset_record(folder: Path) -> DatasetRecord:
    """Read `dataset.json`.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    return read_json(folder / "dataset.json", DatasetRecord, DATASET_REMEDY)


def require_whole(folder: Path, info: DatasetRecord) -> None:
    """Refuse a dataset that cannot be trained on, before an MLflow run is opened.

    Args:
        folder: folder of the dataset.
        info: content of `dataset.json`.

    Raises:
        PipelineError: the vocabulary, or a split other than the test split, is missing or damaged.
    """
    read_vocabulary(folder)
    for name in info.splits.keys() - {"test"}:
        read_split(folder, name)


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the vocabulary of a dataset.

    Raises:
        PipelineError: the file, or the model of a learned tokenizer beside it, is missing or damaged, or its number of
            words differs from that in `dataset.json`.
    """
    vocabulary, info = Vocabulary.load(folder / "vocab.json"), read_dataset_record(folder)
    if len(vocabulary) != info.vocabulary:
        raise PipelineError(
            f"{folder / 'vocab.json'} is damaged: it has {len(vocabulary)} words, not {info.vocabulary}; "
            f"{DATASET_REMEDY}"
        )
    if info.text.get("tokenizer") == "sentencepiece":
        Tokenizer("sentencepiece", vocabulary.tokenizer_model)  # refuses a missing or damaged model
    return vocabulary


def read_vectors(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """Read the initial word vectors [words, dimension] and which words have one [words]; None if there are none.

    Raises:
        PipelineError: an array is damaged, or does not fit the vocabulary.
    """
    if not (folder / "vectors.npy").exists():
        return None
    words = len(Vocabulary.load(folder / "vocab.json"))
    vectors = ArrayFile(folder / "vectors.npy", np.float32, (words, None), DATASET_REMEDY)
    limit = float(np.finfo(np.float32).max)
    vectors.require_within(-limit, limit)
    covered = ArrayFile(folder / "vectors_covered.npy", np.bool_, (words,), DATASET_REMEDY)
    return vectors.array, np.array(covered.array)


def require_prepared_for(config: Config, info: DatasetRecord) -> None:
    """Refuse a dataset that was made with another corpus, split or text configuration.

    Args:
        config: the present configuration.
        info: content of `dataset.json`.

    Raises:
        PipelineError: they differ; the message names the first key that does.
    """
    require_same(
        config.model_dump(include={"corpus", "split", "text"}),
        {"corpus": info.corpus.config, "split": info.split, "text": info.text},
        Path("artifacts/dataset"),
        "prepare it with `dvc repro preprocess` (or `dvc exp run -S …`) first",
    )
