"""What the registry tells people about a model, as Markdown."""

from collections.abc import Mapping
from typing import Any

from pipeline.config import Config
from pipeline.tracking.description import figures_table
from pipeline.tracking.provenance import model_kind

MODEL_CARD = """The sentiment of English reviews. Takes texts; gives a `label` (`positive` or `negative`) and
the `probability` of positive.

    mlflow.pyfunc.load_model("models:/{name}@champion").predict(["one of the best films this year"])

The alias `champion` names the version to use. `challenger` names the latest that passed its checks and did not become
champion. Nothing in a version is unpickled when it is loaded."""


def model_card(config: Config) -> str:
    """Description of the registered model."""
    return MODEL_CARD.format(name=config.registry.model_name)


def version_card(config: Config, metrics: Mapping[str, Mapping[str, Any]], tags: Mapping[str, str]) -> str:
    """Description of one version: network, data, commit, test metrics beside the baseline's, licence.

    Args:
        config: the configuration it was trained with.
        metrics: the content of `reports/metrics.json`.
        tags: of the version.
    """
    corpus = config.corpus
    return "\n".join(
        [
            f"`{model_kind(config)}` trained on **{corpus.name}**: {corpus.source}.",
            "",
            figures_table(metrics["test"], metrics.get("baseline", {})),
            "",
            f"Code: commit `{tags['git.commit']}`. Data: md5 `{tags['data.md5']}`.",
            "",
            f"Licence of the data: {corpus.licence}.",
            "",
            f"Source of the data: {corpus.citation}",
        ]
    )
