"""Simulated answers to reviews, and a small dataset made by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from pipeline.config.labels import LABELS
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.inference.decision_rule import DecisionRule
from tests.conftest import describe_dataset

POSITIVE = ["a warm and lovely film", "lovely acting and a warm story", "wonderful music", "a wonderful lovely cast"]


NEGATIVE = ["a dull and clumsy film", "clumsy acting and a dull story", "tedious music", "a tedious clumsy cast"]


def both(probabilities: ArrayLike) -> NDArray[np.float32]:
    """Return the probabilities of both classes [n, 2] for those of the second [n]."""
    second = np.asarray(probabilities, np.float32)
    return np.stack([1 - second, second], axis=1)


def two_classes(
    rows: pa.Table, labels: NDArray[np.int8], words: NDArray[np.int64], probabilities: ArrayLike
) -> ScoredSplit:
    """Return answers to the reviews of a test split; `probabilities` are those of positive."""
    return ScoredSplit("test", rows, labels, words, LABELS, both(probabilities), DecisionRule(0.5))


def simulated(n: int = 400, seed: int = 0, classes: Sequence[str] = LABELS, ordered: bool = False) -> ScoredSplit:
    """Simulate reviews with perfectly calibrated probabilities."""
    random = np.random.default_rng(seed)
    if len(classes) == 2:
        probabilities = random.beta(0.5, 0.5, n).astype(np.float32)
        labels = (random.random(n) < probabilities).astype(np.int8)
        answers = both(probabilities)
    else:
        answers = random.dirichlet(np.full(len(classes), 2 / len(classes)), n).astype(np.float32)
        labels = (answers.cumsum(1) < random.random((n, 1))).sum(1).clip(max=len(classes) - 1).astype(np.int8)
    rows = pa.table({"id": [str(i) for i in range(n)], "label": labels, "stars": random.integers(1, 11, n)})
    words = random.integers(1, 10, n)
    return ScoredSplit(
        "test", rows, labels, words, classes, answers, DecisionRule(0.5 if len(classes) == 2 else None), ordered
    )


THINGS = ("film", "story", "cast", "music")


def labelled_texts(classes: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return short texts and their class indices, four of each class; those of more than two name their class."""
    if len(classes) == 2:
        return POSITIVE + NEGATIVE, [1] * len(POSITIVE) + [0] * len(NEGATIVE)
    pairs = [(f"a word{number} {thing}", number) for number in range(len(classes)) for thing in THINGS]
    return [text for text, _ in pairs], [number for _, number in pairs]


def write_dataset(path: Path, copies: int = 3, classes: Sequence[str] = LABELS, ordered: bool = False) -> None:
    texts, numbers = (values * copies for values in labelled_texts(classes))
    splits = dict.fromkeys(("train", "validation", "test"), len(texts))
    describe_dataset(path, classes=list(classes), ordered=ordered, **splits)
    for split in splits:
        (path / split).mkdir(parents=True)
        ids = [f"{split}-{i}" for i in range(len(texts))]
        labels = pa.array(numbers, pa.int8())
        stars = pa.array(range(len(texts)), pa.int64())
        table = pa.table({"id": ids, "text": texts, "label": labels, "stars": stars})
        pq.write_table(table, path / split / "rows.parquet")
        np.save(path / split / "ids.npy", np.ones(2 * len(texts), np.int32))
        np.save(path / split / "offsets.npy", np.arange(len(texts) + 1) * 2)
        np.save(path / split / "labels.npy", labels.to_numpy())
