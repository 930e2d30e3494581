"""What the MLflow UI says of an experiment and of its runs, as Markdown, and the columns it shows first."""

import json
from collections.abc import Mapping

NOTE_TAG = "mlflow.note.content"
"""Where MLflow keeps the description of an experiment or a run."""
VIEW = "overview"
"""Name of the view of the runs that `?viewStateShareKey=overview` opens."""
COLUMNS = (
    "metrics.`test/accuracy`",
    "metrics.`baseline/accuracy`",
    "metrics.`best/val_accuracy`",
    "tags.`stage`",
    "tags.`sweep`",
    "tags.`model`",
    "tags.`corpus`",
)
SHOWN = ("accuracy", "f1", "roc_auc", "log_loss", "ece")
FIGURES = "### On the test split"
EXPERIMENT = """Classifiers that tell positive reviews from negative ones, one run for each training.

- `best/…` is the epoch that is best on validation. Once `evaluate` has run, `test/…` judges the model on held-out
  reviews and `baseline/…` TF-IDF + logistic regression on the same.
- Filter with `tags.stage = 'train'`, `tags.sweep = 'grid'`, ``metrics.`test/accuracy` > 0.9``.
- Compare: tick two runs, then *Compare*.
- The model in use is the version `champion` in the model registry."""


def experiment_tags() -> dict[str, str]:
    """The tags of a new experiment: its description, its kind, and the view `overview` of its runs."""
    return {
        NOTE_TAG: EXPERIMENT,
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps({"selectedColumns": COLUMNS}),
    }


def with_figures(description: str, metrics: Mapping[str, float]) -> str:
    """The description with the test figures, where there are any, at its end in place of those it has.

    Args:
        description: of a run.
        metrics: flat, such as `test/accuracy` and, where there is one, `baseline/accuracy`.
    """
    test, baseline = (
        {key: metrics[f"{part}/{key}"] for key in SHOWN if f"{part}/{key}" in metrics} for part in ("test", "baseline")
    )
    if not test:
        return description
    before = description.partition(FIGURES)[0].rstrip()
    return f"{before}\n\n{FIGURES}\n\n{figures_table(test, baseline)}".lstrip()


def figures_table(
    test: Mapping[str, float],
    baseline: Mapping[str, float],
    intervals: Mapping[str, Mapping[str, float | None]] | None = None,
) -> str:
    """The test figures beside the baseline's, as a Markdown table; the baseline's may be missing.

    Args:
        test: figures of the model.
        baseline: of the baseline.
        intervals: `low` and `high` of some of the model's figures.
    """
    rows = [
        f"| {key} | {_number(test[key])}{_interval((intervals or {}).get(key))} | {_number(baseline.get(key))} |"
        for key in SHOWN
        if key in test
    ]
    return "\n".join(["| test split | this model | TF-IDF + logistic regression |", "|---|---|---|", *rows])


def _interval(bounds: Mapping[str, float | None] | None) -> str:
    if bounds is None or bounds["low"] is None:
        return ""
    return f" ({_number(bounds['low'])} to {_number(bounds['high'])})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
