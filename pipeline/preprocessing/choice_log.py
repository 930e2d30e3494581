"""Log lines about duplicates, conflicting labels and groups: what was left out, and what it changed."""

import logging
from collections.abc import Mapping
from typing import Any

from pipeline.config.corpus import Duplicates
from pipeline.preprocessing.data_checks import JUDGED
from pipeline.preprocessing.splitting import Drawn

MAX_CLASSES_SHOWN = 5
NOTABLE_CHANGE = 0.005
"""Minimum change of a class's share that is worth a line."""
COUNTED = ("repeats", "exact", "label_conflicts", "contradicting", "tied")
NOTABLE_SHORTFALL = 0.1
"""Share of a part's size from which its difference from the size asked for is a warning."""

ClassCounts = Mapping[str, Mapping[str, int]]
"""Number of reviews of each class, by split."""

log = logging.getLogger(__name__)


def log_duplicates(
    everywhere: Mapping[str, Any],
    report: Mapping[str, Any],
    policy: Duplicates,
    before: ClassCounts,
    after: ClassCounts,
) -> None:
    """Say how many reviews repeat others, how many are dropped, and how that changes the shares of the classes.

    Auxiliary texts and those without a label have a line of their own: their file may well hold the labelled ones.

    Args:
        everywhere: report of `find_duplicates` about all reviews.
        report: one about those of the splits of `JUDGED` alone.
        policy: what was done with duplicates.
        before: reviews of each class and split before that.
        after: those that are left.
    """
    total = sum(sum(before[split].values()) for split in JUDGED if split in before)
    dropped = f"{sum(report['dropped'].values()):,} are dropped"
    outcome = {
        "drop": f"{dropped}, corpus.duplicates=keep keeps them",
        "weight": f"{dropped}, those kept to train on count for those of their label",
        "keep": "all are kept, corpus.duplicates=drop drops them",
    }[policy]
    repeats, exact, conflicts, contradicting, tied = (f"{report[key]:,}" for key in COUNTED)
    if report["repeats"]:
        of_all = f"{repeats} of {total:,}"
        log.info("duplicates: %s reviews repeat another, %s word for word; %s", of_all, exact, outcome)
    outcome = "they are kept" if policy == "keep" else "they are dropped"
    if auxiliary := everywhere["repeats"] - report["repeats"]:
        log.info("duplicates: %s auxiliary texts repeat a review or another one; %s", f"{auxiliary:,}", outcome)
    if unlabelled := everywhere["unlabelled"]:
        problem = "unlabelled reviews repeat a labelled or another one"
        log.info("duplicates: %s %s; %s", f"{unlabelled:,}", problem, outcome)
    if report["label_conflicts"]:
        outcome = "all are kept"
        if policy != "keep":
            outcome = f"the majority's label is kept, {tied} reviews of texts without a majority are left out"
            if report["kept_by_test"]:
                outcome += f"; of {report['kept_by_test']:,} texts test keeps all labels"
        problem = "reviews contradict most others of the same text"
        log.warning("%s texts have several labels, %s %s; %s", conflicts, contradicting, problem, outcome)
    for split in before:
        if everywhere["dropped"].get(split) and (shares := _changed_shares(before[split], after.get(split, {}))):
            log.info("%s without duplicates: %s", split, shares)


def log_weighted(weighted: Mapping[str, int]) -> None:
    """Say how many training reviews count more than once, and for how many together."""
    reviews, stand_for = (f"{weighted[key]:,}" for key in ("reviews", "stand_for"))
    log.info("duplicates: %s training reviews count more than once, together for %s", reviews, stand_for)


def log_shared_groups(shared: int, dropped: Mapping[str, int]) -> None:
    """Say how many groups the corpus's own splits share, and how many reviews are left out for that."""
    if shared:
        rows = " and ".join(f"{rows:,} reviews of {split}" for split, rows in dropped.items())
        problem = "groups of corpus.group_column are in several of your splits"
        log.warning("%s %s: %s are left out; test keeps its own", f"{shared:,}", problem, rows)


def log_groups_for_classes(parts: Mapping[str, Drawn]) -> None:
    """Say which parts got groups that do not fit into them, because they would have lacked a class."""
    for split, part in parts.items():
        if part.for_class:
            problem = "groups taken beyond its share, for a class that it lacked"
            sizes = f"{part.reviews:,} reviews, not {part.asked:,}"
            log.warning("split.%s: %s: %d; it has %s", split, problem, part.for_class, sizes)


def log_groups(number: int, parts: Mapping[str, Drawn]) -> None:
    """Say how many groups there are, and which parts they make larger or smaller than was asked for."""
    log.info("groups: %s, none in two splits", f"{number:,}")
    for split, part in parts.items():
        if part.too_large:
            log.warning("split.%s: groups larger than the whole split, and so trained on: %d", split, part.too_large)
        if abs(part.reviews - part.asked) > NOTABLE_SHORTFALL * part.asked:
            sizes = f"{part.reviews:,} reviews, not {part.asked:,}"
            log.warning("split.%s: %s, because groups are not divided", split, sizes)


def _changed_shares(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Return the shares of the classes before and after, of many those that changed most; nothing if none did."""
    old, new = (max(1, sum(counts.values())) for counts in (before, after))
    shares = {name: (before[name] / old, after.get(name, 0) / new) for name in before}
    changes = {name: abs(now - was) for name, (was, now) in shares.items()}
    if max(changes.values()) < NOTABLE_CHANGE:
        return ""
    most = sorted(changes, key=lambda name: -changes[name])[:MAX_CLASSES_SHOWN]
    shown = [f"{name} {was:.1%} → {now:.1%}" for name, (was, now) in shares.items() if name in most]
    return ", ".join(shown)
