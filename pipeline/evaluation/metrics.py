"""The table of metrics: every list of them, in reports, in MLflow and in the model card, is made from it.

A new metric is a row here and its value in `classification.py`.
"""

from dataclasses import dataclass

MetricValues = dict[str, float | int | None]
"""Values by key; None where a metric is undefined."""


@dataclass(frozen=True)
class Metric:
    """One figure of a classifier on a split."""

    name: str
    """Name for people."""
    explanation: str
    higher_is_better: bool
    interval: bool = False
    """It gets a bootstrap confidence interval."""
    headline: bool = False
    """It is among the figures that the report, the model card and the description of the MLflow run show first."""
    on_validation: bool = False
    """It is also reported on the validation split."""


METRICS = {
    "accuracy": Metric(
        "accuracy", "share of the reviews that are classified correctly", True, True, headline=True, on_validation=True
    ),
    "f1": Metric("F1", "harmonic mean of precision and recall for the positive label", True, True, headline=True),
    "precision": Metric("precision", "share of positive reviews among those called positive", True),
    "recall": Metric("recall", "share of the positive reviews that are called positive", True),
    "roc_auc": Metric(
        "ROC-AUC",
        "probability that a positive review is ranked above a negative one; 0.5 is guessing",
        True,
        True,
        headline=True,
    ),
    "average_precision": Metric(
        "average precision", "precision averaged over all levels of recall, one for each threshold", True
    ),
    "log_loss": Metric(
        "log loss",
        "mean negative logarithm of the probability given to the true label, in nats",
        False,
        True,
        headline=True,
        on_validation=True,
    ),
    "brier": Metric(
        "Brier score", "mean squared distance between the probability and the true label", False, True, headline=True
    ),
    # Resampling adds noise to gaps that are never negative: the percentiles would lie above the true error.
    "ece": Metric(
        "calibration error",
        "mean distance between the stated probability and the share of positive reviews, over equal-width bins",
        False,
        headline=True,
        on_validation=True,
    ),
    "majority": Metric("majority share", "accuracy of always answering the more frequent label", True),
    "gain_over_majority": Metric("gain over majority", "accuracy minus the majority share", True),
}
"""By key in `reports/metrics.json`, in its order."""
HEADLINE = {key: metric for key, metric in METRICS.items() if metric.headline}
