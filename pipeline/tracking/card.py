"""What the registry tells people about a model, as Markdown."""

from collections.abc import Mapping
from typing import Any

from pipeline.config import Config
from pipeline.tracking.provenance import model_kind

SHOWN = ("accuracy", "f1", "roc_auc", "log_loss", "ece")
MODEL_CARD = """The sentiment of English reviews. Takes texts; gives a `label` (`positive` or `negative`) and
the `probability` of positive.

    mlflow.pyfunc.load_model("models:/{name}@champion").predict(["one of the best films this year"])

The alias `champion` names the version to use. `challenger` names the latest that passed its checks and did not become
champion. Nothing in a version is unpickled when it is loaded."""


def model_card(config: Config) -> str:
    """Description of the registered model."""
    return MODEL_CARD.format(name=config.registry.model_name)


def version_card(config: Config, metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Description of one version: network, data, test metrics beside the baseline's, licence.

    Args:
        config: the configuration it was trained with.
        metrics: the content of `reports/metrics.json`.
    """
    corpus, test, baseline = config.corpus, metrics["test"], metrics.get("baseline", {})
    rows = [f"| {key} | {_number(test[key])} | {_number(baseline.get(key))} |" for key in SHOWN if key in test]
    return "\n".join(
        [
            f"`{model_kind(config)}` trained on **{corpus.name}**: {corpus.source}.",
            "",
            "| test split | this model | TF-IDF + logistic regression |",
            "|---|---|---|",
            *rows,
            "",
            f"Licence of the data: {corpus.licence}.",
            "",
            f"Source of the data: {corpus.citation}",
        ]
    )


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4f}"
