"""What the report's page says of a model's answers on the test split: a section for each question."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.labels import LABELS
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.mistakes import SHOWN, Mistake
from pipeline.report.blocks import Section, Table, picture
from pipeline.report.formatting import number, outcome, percent, spoken

HEADLINE = {
    "accuracy": "accuracy",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
}


def headline(metrics: Mapping[str, Any]) -> Section:
    """The metrics with their intervals, beside the baseline's."""
    systems = ["test", *(["baseline", "difference"] if "baseline" in metrics else [])]
    columns = ["", "model", "95 % interval"]
    if "baseline" in metrics:
        columns += ["TF-IDF baseline", "95 % interval", "difference", "95 % interval"]
    rows = []
    for key, name in HEADLINE.items():
        row = [name]
        for system in systems:
            row += [number(_value(metrics, system, key)), _interval(metrics["intervals"][system].get(key))]
        rows.append(row)
    return Section(
        "figures",
        "How good it is",
        "On reviews that nothing was chosen by. Accuracy, F1 and ROC-AUC are better when higher, the three below when "
        "lower. The interval says how far the choice of test reviews may have moved a figure (bootstrap); how far "
        "another training would, it does not say. The difference is model minus baseline on the same reviews: where "
        "its interval holds 0, the two may be equally good.",
        [Table(f"{metrics['test']['reviews']:,} test reviews", columns, rows)],
    )


def checks(verdict: Mapping[str, Any]) -> Section:
    """The verdict with its checks."""
    rows = [
        [
            check["name"],
            check["metric"],
            outcome(check),
            number(check["value"]),
            _bound(check["min"]),
            _bound(check["max"]),
        ]
        for check in verdict["checks"]
    ]
    return Section(
        "verdict",
        f"Verdict: {outcome(verdict)}",
        "A model is registered only if every check passes; the bounds are set in registry.checks.",
        [Table("Checks", ["check", "metric", "outcome", "value", "at least", "at most"], rows, words=3)],
    )


def confusion(table: Columns, figures: Path) -> Section:
    """How many reviews of each label were called what."""
    actual, predicted = (np.asarray(table[key]) for key in ("actual", "predicted"))
    rows = []
    for label in LABELS:
        of_label = predicted[actual == label]
        counts = [int((of_label == called).sum()) for called in LABELS]
        right = percent(float((of_label == label).mean()) if len(of_label) else None)
        rows.append([label, *(f"{count:,}" for count in counts), right])
    return Section(
        "confusion",
        "What is taken for what",
        "A row is what the reviews are, a column what the model calls them; the dark diagonal is right.",
        [Table("Reviews", ["actual", *(f"called {label}" for label in LABELS), "right"], rows)],
        [picture(figures, "confusion", "Confusion matrix; its numbers are in the table.")],
    )


def ranking(figures: Path) -> Section:
    """ROC and precision-recall."""
    return Section(
        "ranking",
        "Telling the two apart at any threshold",
        "Each point is a threshold one could have set. The better the model, the nearer its ROC runs to the upper left "
        "corner, and its precision to the upper right.",
        pictures=[
            picture(figures, "roc", "ROC curve: true against false positive rate."),
            picture(figures, "precision_recall", "Precision against recall."),
        ],
    )


def calibration(tables: Mapping[str, Columns], figures: Path) -> Section:
    """Reliability diagram and score histogram."""
    reliability, scores = tables["reliability"], tables["score_histogram"]
    stated = [
        [number(p), number(share), f"{reviews:,.0f}"]
        for p, share, reviews in zip(
            *(reliability[k] for k in ("probability", "positive_share", "reviews")), strict=True
        )
    ]
    spread = [
        [f"{middle:.3f}", f"{negative:,}", f"{positive:,}"]
        for middle, negative, positive in zip(*(scores[k] for k in ("probability", *LABELS)), strict=True)
    ]
    return Section(
        "calibration",
        "Whether its probabilities mean what they say",
        "Reliability: of the reviews given 0.8, eight in ten should be positive; on the dotted line they are. Scores: "
        "how often each probability is given, by the reviews' true label; the farther apart the two, the better.",
        [
            Table("Reliability, by bin", ["stated", "share of positive", "reviews"], stated, words=0, folded=True),
            Table("Probabilities given", ["about", *(f"{x} reviews" for x in LABELS)], spread, words=0, folded=True),
        ],
        [
            picture(figures, "reliability", "Reliability diagram; its numbers are in the table."),
            picture(figures, "score_histogram", "Histogram of the probabilities; its numbers are in the table."),
        ],
    )


def worst(mistakes: Sequence[Mistake]) -> Section | None:
    """The most confident mistakes."""
    if not mistakes:
        return None
    rows = [[found.label, found.id, number(found.probability), found.text] for found in mistakes]
    return Section(
        "mistakes",
        "Its most confident mistakes",
        f"The wrong answers farthest from the truth, at most {SHOWN}: irony, mixed verdicts and wrong labels gather "
        "here. The texts are the corpus's: share this page as you would share the corpus.",
        [Table("Mistakes", ["actual", "id", "probability of positive", "text"], rows, words=2, long=True)],
    )


def learning(curve: Columns, figures: Path) -> Section:
    """The losses after each epoch."""
    rows = [[f"{epoch:.0f}", *map(number, losses)] for epoch, *losses in zip(*curve.values(), strict=True)]
    return Section(
        "learning",
        "How it learned",
        "Log loss after each epoch. Where validation rises while training falls, the network learns by heart; the "
        "epoch that is best on validation is kept.",
        [Table("By epoch", [spoken(name) for name in curve], rows, words=0, folded=True)],
        [picture(figures, "learning_curve", "Learning curve; its numbers are in the table.")],
    )


def _value(metrics: Mapping[str, Any], system: str, key: str) -> float | None:
    if system != "difference":
        value: float | None = metrics[system][key]
        return value
    model, baseline = metrics["test"][key], metrics["baseline"][key]
    return None if model is None or baseline is None else model - baseline


def _interval(bounds: Mapping[str, float | None] | None) -> str:
    if bounds is None or bounds["low"] is None:
        return ""
    return f"{number(bounds['low'])} to {number(bounds['high'])}"


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
