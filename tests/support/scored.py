"""Simulated answers to reviews, and a small dataset made by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluation.predictions import ScoredSplit
from tests.conftest import describe_dataset

POSITIVE = ["a warm and lovely film", "lovely acting and a warm story", "wonderful music", "a wonderful lovely cast"]


NEGATIVE = ["a dull and clumsy film", "clumsy acting and a dull story", "tedious music", "a tedious clumsy cast"]


def simulated(n: int = 400, seed: int = 0) -> ScoredSplit:
    """Simulate reviews with perfectly calibrated probabilities."""
    random = np.random.default_rng(seed)
    probabilities = random.beta(0.5, 0.5, n).astype(np.float32)
    labels = (random.random(n) < probabilities).astype(np.int8)
    rows = pa.table({"id": [str(i) for i in range(n)], "label": labels, "stars": random.integers(1, 11, n)})
    return ScoredSplit("test", rows, labels, random.integers(1, 10, n), probabilities, 0.5)


def write_dataset(path: Path, copies: int = 3) -> None:
    describe_dataset(path, **dict.fromkeys(("train", "validation", "test"), len(POSITIVE + NEGATIVE) * copies))
    for split in ("train", "validation", "test"):
        (path / split).mkdir(parents=True)
        texts = (POSITIVE + NEGATIVE) * copies
        ids = [f"{split}-{i}" for i in range(len(texts))]
        labels = pa.array(([1] * len(POSITIVE) + [0] * len(NEGATIVE)) * copies, pa.int8())
        stars = pa.array(range(len(texts)), pa.int64())
        table = pa.table({"id": ids, "text": texts, "label": labels, "stars": stars})
        pq.write_table(table, path / split / "rows.parquet")
        np.save(path / split / "ids.npy", np.ones(2 * len(texts), np.int32))
        np.save(path / split / "offsets.npy", np.arange(len(texts) + 1) * 2)
        np.save(path / split / "labels.npy", labels.to_numpy())
