"""Scan: one pass over a corpus that keeps of each review just enough to split it and to find its duplicates."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.corpus.canonical import GROUP_COLUMN
from pipeline.preprocessing.canonical_reader import RowGroup, count_rows, row_groups
from pipeline.preprocessing.duplicates import (
    NO_LABEL,
    PRECEDENCE,
    ReviewKeys,
    exact_key,
    group_key,
    letters_key,
    near_key,
)
from pipeline.runtime.worker_pool import OrderedMap
from pipeline.text.cleaning import clean


def scan(data: Path, ordered_map: OrderedMap) -> ReviewKeys:
    """Return the keys of all reviews in the order of `row_groups`, each with the split of its file.

    Args:
        data: folder of a corpus in canonical form.
        ordered_map: `map`, or the map of a `worker_pool`.
    """
    total = count_rows(data)
    keys = ReviewKeys(
        near=np.empty(total, np.uint64),
        group=np.empty(total, np.uint64),
        exact=np.empty(total, np.uint32),
        label=np.empty(total, np.int8),
        split=np.empty(total, np.int8),
    )
    start = 0
    with tqdm(total=total, desc="scan", unit=" reviews", disable=None, leave=False) as progress:
        for near, group, exact, label, split in ordered_map(_scan_group, row_groups(data)):
            rows = slice(start, start + len(near))
            keys.near[rows], keys.group[rows], keys.exact[rows] = near, group, exact
            keys.label[rows], keys.split[rows] = label, split
            start += len(near)
            progress.update(len(near))
    return keys


def _scan_group(
    rows: RowGroup,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32], NDArray[np.int8] | int, int]:
    batch = rows.read()
    texts = [clean(text) for text in batch.column("text").to_pylist()]
    near = np.array([near_key(text) for text in texts], dtype=np.uint64)
    if GROUP_COLUMN in batch.schema.names:
        groups = map(group_key, batch.column(GROUP_COLUMN).to_pylist())
    else:
        groups = map(letters_key, texts)
    group = np.fromiter(groups, np.uint64, len(texts))
    exact = np.array([exact_key(text) for text in texts], dtype=np.uint32)
    label = NO_LABEL if rows.split == "unlabelled" else batch.column("label").to_numpy()
    return near, group, exact, label, PRECEDENCE.index(rows.split)
