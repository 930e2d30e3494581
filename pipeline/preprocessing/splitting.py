"""Held-out splits: drawn from the training reviews of a corpus that does not bring its own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import RecordBatch

from pipeline.config.split import AUXILIARY_TEST, SPLITS, SplitConfig
from pipeline.preprocessing.canonical_reader import RowGroup
from pipeline.preprocessing.duplicates import PRECEDENCE, ReviewKeys
from pipeline.runtime.errors import PipelineError


class Drawn(NamedTuple):
    """Part of a corpus that was held out."""

    asked: int
    """Number of reviews that its share amounts to."""
    reviews: int
    too_large: int
    """Number of groups that are larger than the whole part, and so are trained on."""
    for_class: int
    """Number of groups that were taken only because the part would lack a class without them."""


def hold_out(
    keys: ReviewKeys, keep: NDArray[np.bool_], config: SplitConfig, classes: Sequence[str]
) -> dict[str, Drawn]:
    """Hold out kept reviews of the training split for test and validation if these have none, in `keys.split`.

    Of auxiliary texts the share for the test is held out, in a split of its own.

    Groups are taken in the order of a seeded hash, those with the rarest class first: each that brings the part closer
    to its share of every class and fits into it. So a part is as large and as stratified as undivided groups allow, and
    does not depend on the order of the rows. If it would lack a class, the group with it that fits best is taken, too.

    Args:
        keys: of all reviews.
        keep: True for each review that is kept [n].
        config: shares and seed.
        classes: names of the classes, by index.

    Returns:
        each part that was drawn.

    Raises:
        PipelineError: a split would hold no review of a class.
    """
    drawn = {name: name for name in ("test", "validation") if not keys.in_split(name).any()}
    parts = _hold_out(keys, keep, "train", drawn, config, classes)
    if keys.in_split("auxiliary").any():
        parts |= _hold_out(keys, keep, "auxiliary", {"test": AUXILIARY_TEST}, config, classes)
    return parts


def _hold_out(
    keys: ReviewKeys,
    keep: NDArray[np.bool_],
    source: str,
    destinations: Mapping[str, str],
    config: SplitConfig,
    classes: Sequence[str],
) -> dict[str, Drawn]:
    """Move reviews of a split to others, which `destinations` has by the key of `config` with their share."""
    rows = np.flatnonzero(keep & keys.in_split(source))
    rank = _mix(keys.group[rows], config.seed)
    order = np.lexsort((keys.label[rows], rank))
    rows, rank = rows[order], rank[order]
    labels = keys.label[rows]
    totals = np.bincount(labels, minlength=len(classes))
    groups = _Groups(rank, labels if config.stratify else np.zeros_like(labels))
    parts = {}
    for place, (key, split) in enumerate(destinations.items()):
        fraction = getattr(config, key)
        left_out = int((~keep & keys.in_split(source)).sum())
        _require_share(f"split.{key}", fraction, totals, classes, left_out)
        wanted = [round(fraction * total) for total in (totals if config.stratify else [len(rows)])]
        members, for_class = groups.take(wanted, later=len(destinations) - place)
        _require_each_class(f"split.{key}", split, labels[members], classes, config.stratify)
        keys.split[rows[members]] = PRECEDENCE.index(split)
        parts[split] = Drawn(sum(wanted), int(members.sum()), groups.larger_than(sum(wanted)), for_class)
    left = np.bincount(labels[groups.free_rows()], minlength=len(classes))
    for number, total, name in zip(left, totals, classes, strict=True):
        if not number:
            raise PipelineError(f"split: nothing is left to train on of {total} {name} reviews; add reviews")
    return parts


def _require_share(key: str, fraction: float, totals: NDArray[np.int64], classes: Sequence[str], left_out: int) -> None:
    """Refuse a share that rounds to no review of a class; `left_out` is the number of reviews that are not kept."""
    for total, name in zip(totals, classes, strict=True):
        if round(fraction * total) == 0:
            once = f", once {left_out:,} reviews are left out," if left_out else ""
            problem = f"{fraction} of {total} {name} training reviews{once} is none"
            raise PipelineError(f"{key}: {problem}; raise it, or add reviews")


def _require_each_class(
    key: str, split: str, labels: NDArray[np.int8], classes: Sequence[str], stratified: bool
) -> None:
    """Refuse a part that was drawn without a review of some class; `labels` are those of the part [n]."""
    for label, name in enumerate(classes):
        if not (labels == label).any():
            problem = f"the {split} split that was drawn holds no {name} review"
            remedy = "use a corpus.group_column of smaller groups" if stratified else "set split.stratify=true"
            raise PipelineError(f"{key}: {problem}; raise it, add reviews, or {remedy}")


class _Groups:
    """Groups of reviews that are taken for one part after the other.

    Args:
        rank: key of each review's group, in ascending order [reviews].
        strata: number of the stratum of each review, in ascending order within a group [reviews].
    """

    def __init__(self, rank: NDArray[np.uint64], strata: NDArray[np.int8]) -> None:
        self._strata = strata
        self._starts = np.flatnonzero(np.append(True, rank[1:] != rank[:-1])[: len(rank)])
        self._sizes = np.diff(self._starts, append=len(rank))
        self._free = np.ones(len(self._starts), np.bool_)
        number = np.repeat(np.arange(len(self._starts)), self._sizes)
        first = np.append(True, (number[1:] != number[:-1]) | (strata[1:] != strata[:-1]))[: len(rank)]
        self._with_stratum = {int(stratum): number[first & (strata == stratum)] for stratum in np.unique(strata)}

    def take(self, wanted: Sequence[int], later: int) -> tuple[NDArray[np.bool_], int]:
        """Take groups until there are as many reviews of each stratum as `wanted`, or as nearly as groups allow.

        A part's distance is measured as a chi-square, so that a rare class counts as much as a frequent one. Stratum by
        stratum, the rarest first, a group that has it is taken if it fits and lessens the distance. At last the one
        that lessens it most may make the part too large, if by less than is missing; and for a stratum that no group
        brought, the one with it that makes the part too large by least.

        Args:
            wanted: number of reviews of each stratum.
            later: number of parts still to come, training among them; a group for each stays free of every stratum that
                is taken for want of another.

        Returns:
            True for each review of them [reviews]; and the number of groups that were taken for such a stratum.
        """
        missing = list(wanted)
        taken = np.zeros(len(self._free), np.bool_)
        rarest_first = sorted(self._with_stratum, key=wanted.__getitem__)
        for stratum in rarest_first:
            for group in self._with_stratum[stratum]:
                if missing[stratum] <= 0:
                    break
                fits = self._free[group] and self._sizes[group] <= sum(missing)
                if fits and self._gain(group, missing, wanted) > 0:
                    self._move(group, missing, taken)
        closer = np.flatnonzero(self._free & (self._sizes < 2 * sum(missing))).tolist()
        best = max(closer, key=lambda group: self._gain(group, missing, wanted), default=None)
        if best is not None and self._gain(best, missing, wanted) > 0:
            self._move(best, missing, taken)
        for_stratum = 0
        for stratum in rarest_first:
            if missing[stratum] == wanted[stratum]:
                spare = [group for group in self._with_stratum[stratum] if self._can_spare(group, later)]
                if spare:
                    too_many = {group: max(0, self._sizes[group] - sum(missing)) for group in spare}
                    gains = {group: self._gain(group, missing, wanted) for group in spare}
                    self._move(min(spare, key=lambda group: (too_many[group], -gains[group])), missing, taken)
                    for_stratum += 1
        return np.repeat(taken, self._sizes), for_stratum

    def _can_spare(self, group: int, later: int) -> bool:
        """True if a group is free, and as many others as there are later parts are for each of its strata."""
        others = (self._free[self._with_stratum[stratum]].sum() - 1 for stratum in self._counts(group))
        return bool(self._free[group]) and all(number >= later for number in others)

    def larger_than(self, size: int) -> int:
        """Count the groups that were not taken and have more than so many reviews."""
        return int((self._free & (self._sizes > size)).sum())

    def free_rows(self) -> NDArray[np.bool_]:
        """Return True for each review that was not taken [reviews]."""
        return np.repeat(self._free, self._sizes)

    def _counts(self, group: int) -> Counter[int]:
        start = self._starts[group]
        return Counter(self._strata[start : start + self._sizes[group]].tolist())

    def _gain(self, group: int, missing: Sequence[int], wanted: Sequence[int]) -> float:
        """Return how much less the distance is with a group."""
        counts = self._counts(group).items()
        return sum(count * (2 * missing[stratum] - count) / wanted[stratum] for stratum, count in counts)

    def _move(self, group: int, missing: list[int], taken: NDArray[np.bool_]) -> None:
        for stratum, count in self._counts(group).items():
            missing[stratum] -= count
        self._free[group], taken[group] = False, True


def leave_out_shared_groups(keys: ReviewKeys, keep: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Leave out reviews of training whose group the corpus's own test or validation split has, of validation the test.

    Args:
        keys: of all reviews, with groups.
        keep: True for each review that is kept so far [n].

    Returns:
        True for each review to keep [n]; and the number of groups that splits share.
    """
    keep, held_out, shared = keep.copy(), np.empty(0, np.uint64), np.empty(0, np.uint64)
    for split in ("test", "validation", "train"):
        members = keep & keys.in_split(split)
        groups = np.unique(keys.group[members])
        shared = np.union1d(shared, np.intersect1d(groups, held_out))
        keep[members & np.isin(keys.group, held_out)] = False
        held_out = np.union1d(held_out, groups)
    return keep, len(shared)


def require_all_classes(keys: ReviewKeys, keep: NDArray[np.bool_], classes: Sequence[str]) -> None:
    """Refuse a corpus of which too little is left once duplicates and shared groups are dropped.

    Raises:
        PipelineError: a split holds no review of a class any more.
    """
    labelled = [split for split in SPLITS if split != "unlabelled"]
    for split in (*labelled, AUXILIARY_TEST):
        members = keys.in_split(split)
        if not members.any():
            continue
        for label, name in enumerate(classes):
            if not (members & keep & (keys.label == label)).any():
                raise PipelineError(
                    f"the {split} split holds no {name} review once {int((members & ~keep).sum())} that repeat others, "
                    "or whose group another split has, are dropped; give it reviews of its own"
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
