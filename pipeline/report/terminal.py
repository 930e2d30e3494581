"""The outcome of an evaluation as a table for the terminal."""

from collections.abc import Mapping
from typing import Any

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.columns import Columns, as_rows
from pipeline.evaluation.metrics import METRICS, objective_key
from pipeline.evaluation.slices import worst_slice
from pipeline.report.formatting import bound, count, counts, interval, number, outcome, percent, readable

FAILURES_SHOWN = 3
"""Number of capabilities named: those with the highest failure rates."""
CLASSES_SHOWN = 10
"""Maximum number of classes listed; of more, those with the lowest F1."""


def format_report(
    metrics: Mapping[str, Any],
    slices: Columns,
    checks: Mapping[str, Any],
    left_out: Mapping[str, int],
    by_class: Columns | None = None,
    judged: bool = False,
    objective: ObjectiveConfig = ACCURACY,
) -> str:
    """Format the results of an evaluation: metrics of model and baseline, and a line for each further result.

    Args:
        metrics: the content of `reports/details.json`.
        slices: from `slice_table`.
        checks: from `check_metrics`; empty if none were asked for.
        left_out: number of rows of the corpus in no split, by reason.
        by_class: from `class_table`; None for two classes.
        judged: the reviews are those of a file that models are judged on, not of the corpus: the baseline is another
            model, and intervals are shown.
        objective: what the labels are chosen for; its metric stands first, unless that is accuracy, which always does.
    """
    second = "compared" if judged else "baseline"
    systems = {"model": metrics["test"]} | ({second: metrics["baseline"]} if "baseline" in metrics else {})
    title = f"{count(metrics['test']['reviews'])} {'judged' if judged else 'test'} reviews"
    intervals = metrics["intervals"]["test"] if judged else {}
    heading = f"{title:22}" + "".join(f"{name:>10}" for name in systems)
    lines = _objective_lines(metrics, objective, second)
    lines.append(heading + ("  model's 95 % interval" if judged else ""))
    for key in METRICS:
        if key in metrics["test"]:
            bounds = f"  {interval(intervals[key])}" if key in intervals else ""
            lines.append(f"{key:22}" + "".join(f"{number(values[key]):>10}" for values in systems.values()) + bounds)
    if sample := metrics.get("baseline_sample"):
        lines.append(
            f"baseline: learned from a random sample of {count(sample['reviews'])} of {count(sample['available'])} "
            "training reviews"
        )
    lines += _class_lines(by_class)
    lines += _part_lines(metrics.get("parts", {}))
    if (worst := worst_slice(slices)) is not None:
        accuracy, reviews = number(worst["accuracy"]), count(worst["reviews"])
        lines.append(f"worst slice: {worst['part']}: accuracy {accuracy}, {reviews} reviews")
    if auxiliary := metrics.get("auxiliary"):
        systems = {"model": "accuracy", "baseline": "baseline_accuracy"}
        accuracy = ", ".join(f"{name} {number(auxiliary[key])}" for name, key in systems.items() if key in auxiliary)
        lines.append(f"{count(auxiliary['reviews'])} held-out auxiliary texts: accuracy {accuracy}")
    if pairs := metrics.get("contrast"):
        shares = ", ".join(f"{readable(key)} {number(value)}" for key, value in pairs.items() if key != "pairs")
        lines.append(f"{count(pairs['pairs'])} contrast pairs: {shares}")
    if behaviour := metrics.get("behaviour"):
        rates = sorted(((values["failure_rate"], name) for name, values in behaviour.items()), reverse=True)
        most = ", ".join(f"{name} {percent(rate)}" for rate, name in rates[:FAILURES_SHOWN])
        lines.append(f"behaviour: {len(rates)} capabilities, most failures in {most}")
    if left_out:
        lines.append(f"left out of the {'file' if judged else 'corpus'}: {counts(left_out)}")
    if checks:
        lines += _check_lines(checks)
    return "\n".join(lines)


def _objective_lines(metrics: Mapping[str, Any], objective: ObjectiveConfig, second: str) -> list[str]:
    if objective.metric == "accuracy":
        return []
    key, test = objective_key(objective.metric), metrics["test"]
    line = f"objective: {key} {number(test[key])} (95 % interval {interval(metrics['intervals']['test'][key])})"
    if "baseline" in metrics:
        line += f", {second} {number(metrics['baseline'][key])}"
    if objective.metric == "precision":
        line += f"; at precision {number(test['target_precision'])}, asked for {objective.precision}"
    return [line]


def _check_lines(checks: Mapping[str, Any]) -> list[str]:
    lines = [f"checks: {outcome(checks['passed'])}"]
    for check in checks["checks"]:
        bounds = ", ".join(f"{side} {bound(check[side])}" for side in ("min", "max") if check[side] is not None)
        value = f"{check['metric']} {number(check['value'])} ({bounds})"
        remedy = f"; {check['remedy']}" if check["remedy"] else ""
        lines.append(f"  {check['name']}: {value}: {outcome(check['passed'])}{remedy}")
    return lines


def _part_lines(parts: Mapping[str, Any]) -> list[str]:
    if not parts:
        return []
    deep, wide, *_ = parts
    alone = (
        f"{name} accuracy {number(parts[name]['accuracy'])}, log_loss {number(parts[name]['log_loss'])}"
        for name in (deep, wide)
    )
    added = parts[deep]["adds"]
    return [
        f"parts alone: {'; '.join(alone)}",
        f"what {deep} adds to the accuracy of {wide}: {number(added['accuracy'])} (95 % interval {interval(added)})",
    ]


def _class_lines(by_class: Columns | None) -> list[str]:
    if by_class is None:
        return []
    rows = as_rows(by_class)
    # the name comes last: that of a script with wide characters would shift the columns after it
    lines = ["".join(f"{name:>10}" for name in ("precision", "recall", "f1", "reviews")) + "  class"]
    if len(rows) > CLASSES_SHOWN:
        lines = [f"the {CLASSES_SHOWN} of {len(rows)} classes with the lowest F1:", *lines]
        rows = sorted(rows, key=lambda row: -1 if row["f1"] is None else row["f1"])[:CLASSES_SHOWN]
    for row in rows:
        shares = "".join(f"{number(row[key]):>10}" for key in ("precision", "recall", "f1"))
        lines.append(f"{shares}{count(row['reviews']):>10}  {row['class']}")
    return lines
