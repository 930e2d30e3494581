"""Check metrics of a model, or of the data, against bounds, before anything is registered or trained."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.config.comparison import flatten
from pipeline.config.registry import CheckConfig
from pipeline.evaluation.records import ChecksRecord
from pipeline.runtime.checksum import content_digest
from pipeline.runtime.errors import PipelineError

MORE_REVIEWS = "train on more reviews"

CHECKED = {
    "model": "artifacts/model",
    "predictions": "artifacts/predictions.parquet",
    "details": "reports/details.json",
}
"""Paths, relative to the checkout, of what the checks are about."""


OF_THE_BASELINE = ("baseline.", "intervals.baseline.", "intervals.difference.")
"""Prefixes of the metrics that exist only with a baseline."""


def needs_baseline(check: CheckConfig) -> bool:
    """Return whether the metric of a check exists only with `evaluation.baseline`."""
    return check.metric.startswith(OF_THE_BASELINE)


def check_metrics(
    metrics: Mapping[str, Any],
    checks: Mapping[str, CheckConfig],
    key: str = "registry.checks.{}.metric",
    more_reviews: str | None = None,
) -> dict[str, Any]:
    """Compare metrics with bounds.

    Args:
        metrics: the nested dictionary of `reports/details.json` or `reports/data.json`.
        checks: by name; `metric` is a dotted path such as `test.accuracy`.
        key: configuration key that names the metric of the check {}, for messages.
        more_reviews: advice on how to train on more reviews, for the remedies; None: name none.

    Returns:
        `{"passed": bool, "checks": [{"name", "metric", "value", "min", "max", "passed", "remedy"}, …]}`. Bounds are
        inclusive. A metric that is undefined (None) passes no check. `remedy` says what to do about a check
        that failed, else None.

    Raises:
        PipelineError: a check names a metric that does not exist.
    """
    values = {name: value for name, value in flatten(metrics).items() if not isinstance(value, str | list)}
    results = []
    for name, check in checks.items():
        if check.metric not in values:
            raise PipelineError(
                f"{key.format(name)}: there is no metric {check.metric!r}; choose from {_choices(values)}"
            )
        value = values[check.metric]
        passed = _within_bounds(value, check)
        results.append(
            {
                "name": name,
                "metric": check.metric,
                "value": value,
                "min": check.min,
                "max": check.max,
                "passed": passed,
                "remedy": None if passed or more_reviews is None else _remedy(name, value, check, more_reviews),
            }
        )
    return {"passed": all(result["passed"] for result in results), "checks": results}


def checked_digests(workspace: Path) -> dict[str, str | None]:
    """Return the digests of what the checks are about: the model, its predictions and its metrics."""
    return {name: content_digest(workspace / path) for name, path in CHECKED.items()}


def require_checked(checks: ChecksRecord, workspace: Path) -> None:
    """Refuse checks of another model, other predictions or other metrics than those in the checkout.

    Args:
        checks: the content of `reports/verdict.json`.
        workspace: the checkout.

    Raises:
        PipelineError: names the file that has changed since.
    """
    for name, digest in checked_digests(workspace).items():
        if checks.judged.get(name) != digest:
            raise PipelineError(
                f"{workspace / CHECKED[name]} is not the one that reports/verdict.json is about: another command has "
                "changed it; evaluate again with `dvc repro --single-item --force evaluate`, then `dvc repro`"
            )


def _choices(values: Iterable[str]) -> str:
    """List the names of metrics; those of single classes once, as a pattern."""
    of_all = [name for name in values if ".classes." not in name]
    by_class = dict.fromkeys(
        f"{name.partition('.classes.')[0]}.classes.<class>.{name.rpartition('.')[2]}"
        for name in values
        if ".classes." in name
    )
    return ", ".join([*of_all, *by_class])


def _remedy(name: str, value: float | int | None, check: CheckConfig, more_reviews: str) -> str:
    if value is None:
        remedy = "it is undefined on these test reviews: add reviews of every label to the test split"
        unchanged = ", or, if no resample of them changes the metric, check the interval of the accuracy"
        return remedy + (unchanged if check.metric.startswith("intervals.") else "")
    side = "min" if check.min is not None and value < check.min else "max"
    accept = f"accept such a model with registry.checks.{name}.{side}"
    if ".ece" in check.metric:
        return f"fit the calibration on more reviews with a larger split.validation, or {accept}"
    if check.metric.endswith(("relative_gain", "gain_over_majority")):
        return f"{more_reviews}, above all of the rare labels, or {accept}"
    if check.metric.startswith("intervals.difference."):
        return f"the baseline is better on these reviews: {more_reviews}, or {accept}"
    if check.metric.startswith("intervals."):
        return f"{more_reviews}, or test on more of them, which narrows the interval, or {accept}"
    return f"{more_reviews}, or {accept}"


def _within_bounds(value: float | int | None, check: CheckConfig) -> bool:
    return value is not None and (check.min is None or value >= check.min) and (check.max is None or value <= check.max)
