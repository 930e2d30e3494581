"""Model cards: the descriptions of a registered model and of its versions, as Markdown.

The prose is in the templates beside this module: registered_model.md, and model_card.md for a version.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.config.labels import LABELS
from pipeline.config.schema import Config
from pipeline.evaluation.metrics import metric_names
from pipeline.networks.build import part_names
from pipeline.report.formatting import count, counts, interval, number, percent, readable
from pipeline.tracking.description import code_version
from pipeline.tracking.evaluation_record import figures_table
from pipeline.tracking.provenance import model_kind

MOST_FAILURES = 5
"""Number of capabilities that a card lists, those with the highest failure rates."""

WEAKEST_CLASSES = 3
"""Number of classes that a card lists, those with the lowest F1."""

_TEMPLATES = Environment(
    loader=PackageLoader("pipeline.registry", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.globals.update(count=count, interval=interval, number=number, percent=percent, readable=readable)


def model_card(config: Config) -> str:
    """Return the description of the registered model, which holds for all its versions."""
    return _TEMPLATES.get_template("registered_model.md").render(name=config.registry.model_name)


def version_card(
    config: Config,
    metrics: Mapping[str, Any],
    tags: Mapping[str, str],
    *,
    test_is_drawn: bool,
    left_out: Mapping[str, int],
) -> str:
    """Return the model card of a version: intended use, limits, behaviour, data, figures, and how to reproduce it.

    Args:
        config: the configuration it was trained with.
        metrics: the content of `reports/metrics.json`.
        tags: of the version.
        test_is_drawn: the corpus brought no test split.
        left_out: number of rows of the corpus in no split, by reason.

    Source: Mitchell et al. (2019), Model Cards for Model Reporting.
    """
    intervals = metrics.get("intervals", {}).get("test", {})
    capabilities = metrics.get("behaviour", {})
    by_class = metrics["test"].get("classes", {})
    names = dict(zip(metric_names(config.corpus.classes), config.corpus.classes, strict=True))
    weakest = sorted((values["f1"], names[key]) for key, values in by_class.items() if values["f1"] is not None)
    failures = sorted(((capability["failure_rate"], name) for name, capability in capabilities.items()), reverse=True)
    return _TEMPLATES.get_template("model_card.md").render(
        kind=model_kind(config),
        joined=bool(part_names(config.model)),
        parts=metrics.get("parts"),
        auxiliary=metrics.get("auxiliary"),
        classes=config.corpus.classes,
        sentiment=config.corpus.classes == LABELS,
        ordered=config.corpus.in_order,
        corpus=config.corpus,
        text=config.text,
        figures=figures_table(metrics["test"], metrics.get("baseline", {}), intervals),
        has_intervals=bool(intervals),
        contrast=metrics.get("contrast"),
        worst_slice=metrics.get("worst_slice"),
        weakest=", ".join(f"{name} {number(f1)}" for f1, name in weakest[:WEAKEST_CLASSES]),
        failures=failures[:MOST_FAILURES],
        capabilities=len(capabilities),
        test_is_drawn=test_is_drawn,
        left_out=counts(left_out) or "none",
        code=code_version(tags),
        tags=tags,
    )
