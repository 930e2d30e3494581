"""Checks of the data: what reports/data.json measures, and the end of a run whose data fails `corpus.checks`."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.corpus import DataCheckConfig
from pipeline.config.split import PRETRAINING_SPLITS
from pipeline.preprocessing.duplicates import ReviewKeys
from pipeline.runtime.errors import PipelineError

JUDGED = ("train", "validation", "test")
TRIAL_REVIEWS = 100
"""Number of labelled reviews below which a corpus only tries the pipeline out: no check stops it."""
NO_LOSS = {"ignored_labels", "no_label", "auxiliary_empty_text", "unlabelled_empty_text"}
"""Reasons for which `download` leaves out rows that `corpus.ignore_labels` names, or that belong to no judged split."""
ADVICE = {
    "measures.smallest_class": "so few reviews of a class teach and prove little; add reviews of it",
    "measures.left_out_share": "so many rows are in no split; look whether corpus.text_column names the reviews, or "
    "set corpus.duplicates=keep",
    "measures.label_conflict_share": "so many reviews contradict most others of the same text; look whether "
    "corpus.label_column and corpus.labels say what is meant",
    "measures.overlap_share": "the model trains on so many of the reviews that test it; set corpus.duplicates=drop",
    "splits.test.unknown_word_share": "so many words of the test split are unknown; look whether it is in the "
    "language of the training split",
}
"""Advice for a metric, or for all below it."""

log = logging.getLogger(__name__)


def overlap_share(keys: ReviewKeys, keep: NDArray[np.bool_]) -> float:
    """Return the share of the kept reviews of the test split whose text is learned from or validated on, too."""
    test = keep & keys.in_split("test")
    seen = keep & keys.in_split("validation", *PRETRAINING_SPLITS)
    return round(float(np.isin(keys.near[test], keys.near[seen]).mean()), 5)


def left_out_share(left_out: Mapping[str, int], keep: NDArray[np.bool_]) -> float:
    """Return the share of rows that are in no split though nobody asked for that, of all that might be.

    Args:
        left_out: rows that `download` left out, by reason.
        keep: True for each review that is kept, of those of the splits of `JUDGED` [n].
    """
    lost = sum(rows for reason, rows in left_out.items() if reason not in NO_LOSS)
    return round((lost + int((~keep).sum())) / (lost + len(keep)), 5)


def smallest_class(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of reviews of the rarest class of each split."""
    return {name: min(splits[name]["classes"].values()) for name in JUDGED}


def is_trial(splits: Mapping[str, int]) -> bool:
    """Tell whether a corpus brings so few labelled reviews that checks only warn."""
    return sum(splits.get(name, 0) for name in JUDGED) < TRIAL_REVIEWS


def require_passed(results: Sequence[Mapping[str, Any]], checks: Mapping[str, DataCheckConfig], trial: bool) -> None:
    """Warn of checks that failed, and stop if one of them is to stop the run.

    Args:
        results: outcome of each check, from `pipeline.evaluation.checks.check_metrics`.
        checks: section `corpus.checks` of the configuration.
        trial: True for so few reviews that no check stops the run.

    Raises:
        PipelineError: for the last of the checks that stop the run; the others are logged, a line for each.
    """
    stopping = []
    for result in (result for result in results if not result["passed"]):
        if trial or checks[result["name"]].action == "warn":
            log.warning("warning: %s", _problem(result))
        else:
            stopping.append(_problem(result))
    if trial:
        log.warning("fewer than %d reviews are a trial: checks of the data only warn", TRIAL_REVIEWS)
    for problem in stopping[:-1]:
        log.error("error: %s", problem)
    if stopping:
        raise PipelineError(stopping[-1])


def _problem(result: Mapping[str, Any]) -> str:
    key, metric, value = f"corpus.checks.{result['name']}", result["metric"], result["value"]
    low = value is None or (result["min"] is not None and value < result["min"])
    side, bound = ("min", result["min"]) if low and result["min"] is not None else ("max", result["max"])
    shown = "undefined" if value is None else f"{value:g}"
    compared = f"{'less' if side == 'min' else 'more'} than {bound:g}"
    advice = next((text for name, text in ADVICE.items() if metric.startswith(name)), "correct the data")
    return f"{key}: {metric} is {shown}, {compared}: {advice}, or change {key}.{side}"
