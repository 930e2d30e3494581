"""Choice of the decision rule on the validation split: for accuracy, macro F1, Matthews correlation, costs, precision.

The probabilities are calibrated first, so that they say how often each class is right. A rule is then the least
that must be fitted: nothing for costs, one threshold of two classes, one weight for each of more.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from pipeline.config.objective import ObjectiveConfig
from pipeline.inference.class_counts import Counts, macro_f1, matthews_correlation
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.wilson import wilson_lower_bounds
from pipeline.runtime.errors import PipelineError

LEVEL = 0.05
"""Significance level at which a threshold is called more accurate than 0.5."""
OWN_LABEL = 0.5
"""Share of a review that belongs to its own label where a rule is fitted; its probabilities divide the rest."""
MAX_CUTS = 1000
"""Most values of a weight that are tried: evenly many reviews lie between two of them."""
ROUNDS = 10
"""Most times that each weight is fitted, the others being fixed."""
WHOLE_MODEL = "the model"
MIN_PROBABILITY = 1e-12
"""Stands for a probability of 0 in a ratio."""

log = logging.getLogger(__name__)


def choose_rule(
    probabilities: NDArray[np.float32],
    labels: ArrayLike,
    objective: ObjectiveConfig,
    classes: Sequence[str],
    of: str = WHOLE_MODEL,
) -> DecisionRule:
    """Choose the decision rule that serves an objective.

    Args:
        probabilities: calibrated, of the validation reviews [n, classes].
        labels: class indices [n].
        objective: what the labels are chosen for.
        classes: names of the classes, by index, which costs and a precision are stated by.
        of: whose probabilities they are, for messages.

    Raises:
        PipelineError: there are no reviews, or a probability is not finite.
    """
    require_finite(probabilities)
    y, two = np.asarray(labels), probabilities.shape[1] == 2
    match objective.metric:
        case "accuracy":
            return DecisionRule(choose_threshold(probabilities[:, 1], y)) if two else DecisionRule()
        case "cost":
            costs = cost_matrix(objective, classes)
            # of two classes the expected costs are equal at this probability: Elkan (2001), equation 2
            return DecisionRule(_in_float32(costs[0, 1] / costs.sum())) if two else DecisionRule(costs=costs.tolist())
        case "precision":
            return DecisionRule(_threshold_of_precision(probabilities[:, 1], y, objective, classes, of))
    metric = macro_f1 if objective.metric == "macro_f1" else matthews_correlation
    weights = fit_class_weights(probabilities.astype(np.float64), y, metric)
    if two:
        return DecisionRule(_in_float32(weights[0] / weights.sum()))
    matrix = weights[:, None] * (1 - np.eye(len(weights)))
    return DecisionRule(costs=matrix.tolist())


def cost_matrix(objective: ObjectiveConfig, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the costs [classes, classes] of labelling a review of each class (row) as each class (column)."""
    assert objective.costs is not None
    return np.array([[objective.costs[actual].get(label, 0.0) for label in classes] for actual in classes])


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Choose the smallest probability that is labelled positive, for accuracy.

    For calibrated probabilities 0.5 is right, and the most accurate threshold on a few thousand reviews is mostly
    noise. So 0.5 stays unless another is significantly more accurate: by McNemar's exact test, one-sided, on the
    reviews that the two label differently, at the level `LEVEL` divided by the number of thresholds tried (Bonferroni).
    Of those that pass, the most accurate is chosen, and of several such the one nearest to 0.5.

    Args:
        probabilities: calibrated probabilities of label 1 `[n]`.
        labels: 0 or 1, `[n]`.

    Returns:
        the threshold, between 0 and 1: a value that float32 holds exactly.

    Raises:
        PipelineError: there are no reviews, or a probability is not finite.

    Source: McNemar (1947), Psychometrika 12; Dunn (1961), JASA 56, for the correction.
    """
    p, y = np.asarray(probabilities, dtype=np.float32), np.asarray(labels)
    require_finite(p)
    cuts, below = _cuts(p, y)
    negatives, positives = below.T  # reviews of each label that a cut labels negative [cuts]
    correct = negatives + np.sum(y == 1) - positives
    middle = cuts == 0.5
    gain = correct - correct[middle]
    moved = np.abs(below - below[middle]).sum(axis=1)
    candidates = gain > 0
    won = (moved[candidates] + gain[candidates]) / 2
    # the probability that so many of the moved reviews, or more, are won by chance: a binomial tail at 1/2
    by_chance = betainc(won, moved[candidates] - won + 1, 0.5)
    significant = np.flatnonzero(candidates)[by_chance * (len(cuts) - 1) < LEVEL]
    if not len(significant):
        return 0.5
    best = cuts[significant[correct[significant] == correct[significant].max()]]
    return float(best[np.argmin(np.abs(best - 0.5))])


def fit_class_weights(
    probabilities: NDArray[np.float64], labels: NDArray[np.generic], metric: Callable[[Counts, Counts, Counts], Counts]
) -> NDArray[np.float64]:
    """Fit a weight of each class: labelling by the largest weighted probability gives the best value of a metric.

    One weight after the other is set to its best value, the others fixed, until none moves (coordinate ascent). So that
    a few reviews do not decide by themselves, each counts half by its label and half by its calibrated probabilities
    (`OWN_LABEL`): on simulated reviews labels alone cost up to two points of macro F1 where there are few of them, and
    probabilities alone more than that where calibration cannot make them right.

    Args:
        probabilities: calibrated [n, classes].
        labels: class indices [n].
        metric: of the counts in `pipeline.inference.class_counts`.

    Source: Koyejo et al. (2014), NeurIPS, for thresholds of calibrated probabilities; Narasimhan et al. (2015), ICML,
    for weights of more classes.
    """
    p, classes = np.maximum(probabilities, MIN_PROBABILITY), probabilities.shape[1]
    membership = OWN_LABEL * np.eye(classes)[labels.astype(np.int64)] + (1 - OWN_LABEL) * p
    weights = np.ones(classes)
    for _ in range(ROUNDS):
        before = weights.copy()
        for number in [1] if classes == 2 else range(classes):
            weights[number] = _best_class_weight(p, membership, weights, number, metric)
        if np.array_equal(weights, before):
            break
    return weights


def _best_class_weight(
    p: NDArray[np.float64],
    membership: NDArray[np.float64],
    weights: NDArray[np.float64],
    number: int,
    metric: Callable[[Counts, Counts, Counts], Counts],
) -> float:
    """Return the best weight of class `number`, the others fixed; its present one if no other is better.

    With a rising weight the class takes one review after the other from its rivals, in the order of the ratio of the
    rival's weighted probability to its own.
    """
    n, classes = p.shape
    weighted = p * weights
    weighted[:, number] = 0
    rivals, rows = weighted.argmax(axis=1), np.arange(n)
    ratios = weighted[rows, rivals] / p[:, number]
    order = np.argsort(ratios, kind="stable")
    ratios, sorted_membership = ratios[order], membership[order]
    taken = np.concatenate([[0], np.flatnonzero(ratios[1:] > ratios[:-1]) + 1, [n]])  # numbers of reviews to try
    if len(taken) > MAX_CUTS:
        taken = taken[np.linspace(0, len(taken) - 1, MAX_CUTS).astype(np.int64)]
    of_rival = np.eye(classes)[rivals[order]]  # [n, classes]
    labelled, right = (_sums_of_rest(values, taken) for values in (of_rival, of_rival * sorted_membership))
    labelled[:, number], right[:, number] = taken, _sums_of_first(sorted_membership[:, number], taken)
    values = metric(right, labelled, membership.sum(axis=0))
    # weights between the ratio of the last review that is taken and that of the next take the same reviews
    lowest, highest = np.append(ratios[0] / 4, ratios)[taken], np.append(ratios, 4 * ratios[-1])[taken]
    best = values >= values.max() - MIN_PROBABILITY
    if np.any(best & (lowest < weights[number]) & (weights[number] <= highest)):
        return float(weights[number])
    middles = np.sqrt(lowest * highest)[best]
    return float(middles[np.argmin(np.abs(np.log(middles / weights[number])))])


def _sums_of_first(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each count [cuts] the sum [cuts, ...] of so many first values [n, ...]."""
    sums: NDArray[np.float64] = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])[counts]
    return sums


def _sums_of_rest(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each count [cuts] the sum [cuts, ...] of all values [n, ...] but so many first ones."""
    sums: NDArray[np.float64] = values.sum(axis=0) - _sums_of_first(values, counts)
    return sums


def _threshold_of_precision(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.generic],
    objective: ObjectiveConfig,
    classes: Sequence[str],
    of: str,
) -> float:
    """Choose the threshold of the highest recall of a class, among those whose precision reaches the target.

    On a few reviews a precision is reached by chance. So its lower bound counts: that of Wilson (1927) at one standard
    error, which the true precision exceeds five times in six. Where none reaches the target, the one that comes nearest
    is used, and a warning says so.
    """
    assert objective.precision is not None
    number = objective.target_index(classes)
    name, target = classes[number], objective.precision
    cuts, below = _cuts(probabilities, labels)
    of_each = np.array([np.sum(labels == label) for label in (0, 1)])
    labelled_so = of_each - below if number == 1 else below  # reviews of each label that get the class [cuts, 2]
    right, all_labelled_so = labelled_so[:, number], labelled_so.sum(axis=1)
    bound = np.where(all_labelled_so > 0, wilson_lower_bounds(right, np.maximum(all_labelled_so, 1)), 0)
    reached = bound >= target
    if reached.any():
        chosen = np.flatnonzero(reached)
        chosen = chosen[right[chosen] == right[chosen].max()]
    else:
        chosen = np.flatnonzero(bound == bound.max())
    best = chosen[np.argmin(np.abs(cuts[chosen] - 0.5))]
    found = f"{right[best]} of the {all_labelled_so[best]} reviews labelled so are right, lower bound {bound[best]:.3f}"
    recall = right[best] / max(of_each[number], 1)
    if reached.any():
        log.info(
            "%s: precision %g of %s on validation, at threshold %.4f: %s, recall %.3f",
            *(of, target, name, cuts[best], found, recall),
        )
    else:
        log.warning(
            "%s: precision %g of %s is not reached on validation; the threshold that comes nearest is used, %.4f: %s, "
            "recall %.3f; lower evaluation.objective.precision, or give more validation reviews",
            *(of, target, name, cuts[best], found, recall),
        )
    return float(cuts[best])


def _cuts(p: NDArray[np.float32], y: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return 0.5 and a threshold between any two probabilities; and the reviews of each label below [cuts, 2]."""
    values = np.unique(p)
    between = (np.concatenate(([0], values)) + np.concatenate((values, [1]))) / 2
    cuts = np.unique(np.append(between, 0.5).astype(np.float32))
    return cuts, np.stack([np.searchsorted(np.sort(p[y == label]), cuts, side="left") for label in (0, 1)], axis=1)


def _in_float32(threshold: float) -> float:
    """Return the value nearest to a threshold that float32 holds, as probabilities are compared with it."""
    return float(np.float32(threshold))


def require_finite(values: NDArray[np.floating]) -> None:
    """Refuse outputs or probabilities that nothing can be fitted to.

    Raises:
        PipelineError: there are none, or one is not finite.
    """
    if values.size == 0:
        raise PipelineError("the validation split has no review to calibrate on; make it larger (split.validation)")
    if not np.isfinite(values).all():
        raise PipelineError("the model's outputs are not finite; its training diverged: lower training.lr")
