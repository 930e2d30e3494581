"""The table of metrics: every list of them, in reports, in MLflow and in the model card, is made from it.

A new metric is a row here and its value in `binary.py`, for more than two classes in `multiclass.py`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.objective import ACCURACY, ObjectiveConfig

MetricValues = dict[str, Any]
"""Values by key: numbers, and None where a metric is undefined."""

_REFUSED_BY_MLFLOW = re.compile(r"[^\w\-. ]")


@dataclass(frozen=True)
class Metric:
    """One figure of a classifier on a split."""

    name: str
    """Name for people."""
    higher_is_better: bool
    of_two: str | None
    """Explanation for two classes, whose names replace {first} and {second}; None: two classes do not have it."""
    of_more: str | None
    """Explanation for more classes; None: they do not have it."""
    ordered: bool = False
    """With more than two classes, only ordered ones have it."""
    objective: str | None = None
    """Only evaluations for this objective have it; None: all."""
    headline: bool = False
    """It is among the figures that the report, the model card and the description of the MLflow run show first."""
    brief: bool = False
    """It is also reported on the validation split and on auxiliary texts."""

    def applies_to(self, classes: int, ordered: bool, objective: str = ACCURACY.metric) -> bool:
        """Return whether so many classes, ordered or not, have this metric in an evaluation for this objective."""
        if self.objective not in (None, objective):
            return False
        if classes == 2:
            return self.of_two is not None
        return self.of_more is not None and (ordered or not self.ordered)

    def explanation(self, classes: Sequence[str]) -> str:
        """Return the explanation for classes of these names."""
        if len(classes) > 2:
            return self.of_more or ""
        return (self.of_two or "").format(first=classes[0], second=classes[1])


METRICS = {
    "accuracy": Metric(
        "accuracy",
        True,
        "share of the reviews that are classified correctly",
        "share of the reviews that are classified correctly",
        headline=True,
        brief=True,
    ),
    "f1": Metric("F1", True, "harmonic mean of precision and recall for the {second} label", None, headline=True),
    "precision": Metric("precision", True, "share of {second} reviews among those called {second}", None),
    "recall": Metric("recall", True, "share of the {second} reviews that are called {second}", None),
    "macro_f1": Metric(
        "macro F1",
        True,
        "mean of the F1 of both labels, however many reviews each has",
        "mean of the F1 of each class, however many reviews it has",
        headline=True,
    ),
    "weighted_f1": Metric("weighted F1", True, None, "mean of the F1 of each class, weighted by its reviews"),
    "balanced_accuracy": Metric(
        "balanced accuracy",
        True,
        "mean over both labels of the share of their reviews that are classified correctly",
        "mean over the classes of the share of their reviews that are classified correctly",
        headline=True,
    ),
    "mcc": Metric(
        "Matthews correlation",
        True,
        "correlation of predicted and true labels; 0 is guessing, 1 perfect",
        "correlation of predicted and true classes; 0 is guessing, 1 perfect",
    ),
    "cost": Metric(
        "mean cost",
        False,
        "mean cost of a review's label, by evaluation.objective.costs",
        "mean cost of a review's label, by evaluation.objective.costs",
        objective="cost",
        headline=True,
        brief=True,
    ),
    "target_recall": Metric(
        "recall of the target",
        True,
        "share of the reviews of the class with a target of precision that are called so",
        None,
        objective="precision",
        headline=True,
        brief=True,
    ),
    "target_precision": Metric(
        "precision of the target",
        True,
        "share of reviews of the class with a target of precision among those called so",
        None,
        objective="precision",
        headline=True,
        brief=True,
    ),
    "roc_auc": Metric(
        "ROC-AUC",
        True,
        "probability that a {second} review is ranked above a {first} one; 0.5 is guessing",
        "probability that a review of a class is ranked above one of any other by the probability of that class, "
        "mean over the classes; 0.5 is guessing",
        headline=True,
    ),
    "average_precision": Metric(
        "average precision", True, "precision averaged over all levels of recall, one for each threshold", None
    ),
    "log_loss": Metric(
        "log loss",
        False,
        "mean negative logarithm of the probability given to the true label, in nats",
        "mean negative logarithm of the probability given to the true label, in nats",
        headline=True,
        brief=True,
    ),
    "brier": Metric(
        "Brier score",
        False,
        "mean squared distance between the probability and the true label",
        "mean squared distance between the probabilities and the true label, summed over the classes; from 0 to 2",
        headline=True,
    ),
    # Resampling adds noise to gaps that are never negative: the percentiles would lie above the true error.
    "ece": Metric(
        "calibration error",
        False,
        "mean distance between the stated probability and the share of {second} reviews, over equal-width bins",
        "mean distance between the probability of the predicted class and the share of correct predictions, over "
        "equal-width bins",
        headline=True,
        brief=True,
    ),
    "ece_expected": Metric(
        "calibration error by chance",
        False,
        "calibration error of an exactly calibrated model with the same probabilities on as many reviews, on average",
        "calibration error of an exactly calibrated model with the same probabilities on as many reviews, on average",
    ),
    "ece_excess": Metric(
        "calibration error beyond chance",
        False,
        "calibration error minus that by chance",
        "calibration error minus that by chance",
    ),
    "mean_absolute_error": Metric(
        "mean absolute error",
        False,
        None,
        "mean distance between the predicted and the true class, in steps of their order",
        ordered=True,
        headline=True,
    ),
    "quadratic_kappa": Metric(
        "quadratic kappa",
        True,
        None,
        "agreement of predicted and true classes beyond chance, a miss counted by its squared distance; 0 is guessing",
        ordered=True,
        headline=True,
    ),
    "majority": Metric(
        "majority share",
        True,
        "accuracy of always answering the more frequent label",
        "accuracy of always answering the most frequent label",
    ),
    "gain_over_majority": Metric(
        "gain over majority", True, "accuracy minus the majority share", "accuracy minus the majority share"
    ),
    "relative_gain": Metric(
        "relative gain",
        True,
        "share of the mistakes of always answering the more frequent label that the model avoids; below 0, it adds",
        "share of the mistakes of always answering the most frequent label that the model avoids; below 0, it adds",
    ),
}
"""By key in `reports/details.json`, in its order."""
OBJECTIVES = {"precision": "target_recall"}
"""Metrics whose key is not the name of their objective, by that name."""
HEADLINE = {key: metric for key, metric in METRICS.items() if metric.headline}


def objective_key(objective: str) -> str:
    """Return the key of the metric that the objective of this name optimises."""
    return OBJECTIVES.get(objective, objective)


def objective_name(objective: ObjectiveConfig, classes: Sequence[str] = ()) -> str:
    """Return the name of the metric that labels are chosen for, for people.

    Args:
        objective: what they are chosen for.
        classes: names of the classes, by index, where that of a precision is to be named.
    """
    if objective.metric == "precision":
        target = f" of {classes[objective.target_index(classes)]}" if classes else ""
        return f"recall{target} at precision {objective.precision:g}"
    return METRICS[objective.metric].name


def metric_names(names: Iterable[str]) -> list[str]:
    """Replace what MLflow refuses in a metric's name by `_`, and tell apart names that become equal."""
    accepted: list[str] = []
    for name in names:
        metric = _REFUSED_BY_MLFLOW.sub("_", name)[:100].strip(". ") or "_"
        while metric in accepted:
            metric += "_"
        accepted.append(metric)
    return accepted
