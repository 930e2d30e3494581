"""Held-out splits: drawn from the training reviews of a corpus that does not bring its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import RecordBatch

from pipeline.config.split import AUXILIARY_TEST, SPLITS, SplitConfig
from pipeline.preprocessing.canonical_reader import RowGroup
from pipeline.preprocessing.duplicates import PRECEDENCE, ReviewKeys
from pipeline.runtime.errors import PipelineError


def hold_out(keys: ReviewKeys, config: SplitConfig, classes: Sequence[str]) -> None:
    """Hold out reviews of the training split for test and validation if these have none, in `keys.split`.

    Of auxiliary texts the share for the test is held out, in a split of its own.

    Within each label, reviews are ranked by a seeded hash of their group, or of their `near_key` if the corpus has no
    groups; the lowest go to test, the next to validation. So the splits are stratified and do not depend on the order
    of the rows, and groups, or duplicates, stay together. `classes` are the names of the labels, by number.

    Raises:
        PipelineError: a split would hold no review of a label.
    """
    drawn = {name: name for name in ("test", "validation") if not (keys.split == PRECEDENCE.index(name)).any()}
    _hold_out(keys, "train", drawn, config, classes)
    if (keys.split == PRECEDENCE.index("auxiliary")).any():
        _hold_out(keys, "auxiliary", {"test": AUXILIARY_TEST}, config, classes)


def _hold_out(
    keys: ReviewKeys, source: str, destinations: Mapping[str, str], config: SplitConfig, classes: Sequence[str]
) -> None:
    """Move reviews of a split to others, which `destinations` has by the key of `config` with their share."""
    members = keys.split == PRECEDENCE.index(source)
    for label, name in enumerate(classes):
        rows = np.flatnonzero(members & (keys.label == label))
        rank = _mix(keys.group[rows], config.seed)
        order = np.argsort(rank, kind="stable")
        start = 0
        for key, split in destinations.items():
            fraction = getattr(config, key)
            end = start + round(fraction * len(rows))
            if end == start:
                problem = f"{fraction} of {len(rows)} {name} training reviews is none"
                raise PipelineError(f"split.{key}: {problem}; raise it, or add reviews")
            # cut between two hashes, because a group, or duplicates, share one
            while 0 < end < len(rows) and rank[order[end]] == rank[order[end - 1]]:
                end += 1
            keys.split[rows[order[start:end]]] = PRECEDENCE.index(split)
            start = end
        if start >= len(rows):
            raise PipelineError(f"split: nothing is left to train on of {len(rows)} {name} reviews; add reviews")


def require_all_classes(keys: ReviewKeys, keep: NDArray[np.bool_], classes: Sequence[str]) -> None:
    """Refuse a corpus of which too little is left once duplicates are dropped.

    Raises:
        PipelineError: a split holds no review of a class any more.
    """
    labelled = [split for split in SPLITS if split != "unlabelled"]
    for split in (*labelled, AUXILIARY_TEST):
        members = keys.split == PRECEDENCE.index(split)
        if not members.any():
            continue
        for label, name in enumerate(classes):
            if not (members & keep & (keys.label == label)).any():
                raise PipelineError(
                    f"the {split} split holds no {name} review once its {int((members & ~keep).sum())} duplicates of "
                    "other reviews are dropped; give it reviews of its own"
                )


@dataclass(frozen=True)
class Selection:
    """Reviews of a row group that are kept, with their splits; iterating reads them."""

    group: RowGroup
    split: NDArray[np.int8]
    """Index into `PRECEDENCE` of each review's split [n]."""
    keep: NDArray[np.bool_]
    """True for each review that is kept [n]."""

    def __iter__(self) -> Iterator[tuple[str, RecordBatch]]:
        """Yield each split and its rows."""
        rows = self.group.read()
        for index in np.unique(self.split[self.keep]):
            yield PRECEDENCE[index], rows.filter(pa.array((self.split == index) & self.keep))


def select(groups: Iterable[RowGroup], split: NDArray[np.int8], keep: NDArray[np.bool_]) -> Iterator[Selection]:
    """Pair each row group with its part of `split` and `keep`, which hold all reviews in order [n]."""
    start = 0
    for group in groups:
        rows = slice(start, start + group.rows)
        start += group.rows
        yield Selection(group, split[rows], keep[rows])


def _mix(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Scramble 64-bit keys with a seed (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        z = keys + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
