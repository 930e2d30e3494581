"""Choice of the reviews of a dataset: which are left out, which splits the others are in, and the account of both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.corpus import Duplicates
from pipeline.config.split import SplitConfig
from pipeline.preprocessing.choice_log import (
    log_duplicates,
    log_groups,
    log_groups_for_classes,
    log_shared_groups,
    log_weighted,
)
from pipeline.preprocessing.data_checks import JUDGED, left_out_share, overlap_share
from pipeline.preprocessing.duplicates import (
    NO_LABEL,
    ReviewKeys,
    count_classes,
    count_copies,
    count_splits,
    find_duplicates,
    with_duplicates,
)
from pipeline.preprocessing.split_writer import RowArrays
from pipeline.preprocessing.splitting import hold_out, leave_out_shared_groups, require_all_classes
from pipeline.text.dataset import CorpusRecord


@dataclass(frozen=True)
class ChosenReviews:
    """Reviews that a dataset is made of; their splits are in `ReviewKeys.split`."""

    keep: NDArray[np.bool_]
    """True for each review that is kept [n]."""
    dropped: dict[str, int]
    """Number of reviews that are not kept, by reason; only reasons that occurred."""
    report: dict[str, Any]
    """Counts of duplicates and groups, as they stand in reports/data.json."""
    measures: dict[str, Any]
    """Values for `corpus.checks`."""
    arrays: RowArrays
    """Numbers of the reviews to train and validate on: `groups`, and `copies` if duplicates are weighted."""


def choose_reviews(
    keys: ReviewKeys,
    corpus: CorpusRecord,
    duplicates: Duplicates,
    split: SplitConfig,
    grouped: bool,
) -> ChosenReviews:
    """Leave out reviews of groups that the corpus's splits share, and duplicates; then draw the splits it lacks.

    So a drawn split has the size and the shares of classes that were asked for, of reviews that differ.

    Args:
        keys: of all reviews; their `split` is changed.
        corpus: content of `corpus.json`.
        duplicates: what to do with duplicates.
        split: shares and seed of the splits to draw.
        grouped: True if the corpus has groups.

    Raises:
        PipelineError: a split would hold no review of a class.
    """
    classes = corpus.classes
    everything = np.ones(len(keys.split), np.bool_)
    unshared, shared = leave_out_shared_groups(keys, everything) if grouped else (everything, 0)
    for_groups = count_splits(keys.split[~unshared])
    log_shared_groups(shared, for_groups)
    keep, found = find_duplicates(keys, unshared, duplicates)
    before, after = (count_classes(keys, mask, classes) for mask in (unshared, keep))
    judged = keys.in_split(*JUDGED)  # further texts, however many, must dilute no share
    of_judged = find_duplicates(keys, unshared & judged, duplicates)[1]
    log_duplicates(found, of_judged, duplicates, before, after)
    copies = count_copies(keys, unshared) if duplicates == "weight" else None
    report: dict[str, Any] = {"duplicates": found | {"classes_before": before, "classes_after": after}}
    require_all_classes(keys, keep, classes)
    if duplicates == "keep" and not grouped:
        keys.group = with_duplicates(keys)
    parts = hold_out(keys, keep, split, classes)
    log_groups_for_classes(parts)
    if grouped:
        report["groups"] = {
            "groups": len(np.unique(keys.group[keep & (keys.label != NO_LABEL)])),
            "ungrouped": corpus.ungrouped or 0,
            "shared": shared,
            "dropped": for_groups,
            "too_large": {name: part.too_large for name, part in parts.items() if part.too_large},
            "for_class": {name: part.for_class for name, part in parts.items() if part.for_class},
        }
        log_groups(report["groups"]["groups"], parts)
    arrays = _row_arrays(keys, keep, copies)
    if copies is not None:
        report["duplicates"]["weighted"] = weighted = count_weighted(arrays["train"]["copies"])
        log_weighted(weighted)
    tied = found["tied"]
    repeated, labelled = unshared & ~keep, keys.label != NO_LABEL
    dropped = {
        "duplicates": int((repeated & labelled).sum()) - tied,
        "unlabelled_duplicates": int((repeated & ~labelled).sum()),
        "label_ties": tied,
        "shared_groups": sum(for_groups.values()),
    }
    measures = {
        "left_out_share": left_out_share(corpus.left_out, keep[judged]),
        "label_conflict_share": round(of_judged["contradicting"] / int((unshared & judged).sum()), 5),
        "overlap_share": overlap_share(keys, keep),
    }
    return ChosenReviews(keep, {reason: rows for reason, rows in dropped.items() if rows}, report, measures, arrays)


def count_weighted(copies: NDArray[np.int32]) -> dict[str, int]:
    """Count the reviews that stand for others, and the reviews that they stand for; `copies` is of one split [n]."""
    several = copies > 1
    return {"reviews": int(several.sum()), "stand_for": int(copies[several].sum())}


def _row_arrays(
    keys: ReviewKeys, keep: NDArray[np.bool_], copies: NDArray[np.int32] | None
) -> dict[str, dict[str, NDArray[np.int32]]]:
    """Return the arrays of train and validation, which folds of both are drawn from."""
    rows = {split: np.flatnonzero(keep & keys.in_split(split)) for split in ("train", "validation")}
    names = np.unique(np.concatenate([keys.group[members] for members in rows.values()]))
    arrays = {
        split: {"groups": np.searchsorted(names, keys.group[members]).astype(np.int32)}
        for split, members in rows.items()
    }
    if copies is not None:
        for split, members in rows.items():
            arrays[split]["copies"] = copies[members]
    return arrays
