"""What the registry tells people about a model, as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.config import ArchiveCorpus, Config, FilesCorpus
from pipeline.tracking.description import figures_table
from pipeline.tracking.provenance import code_version, model_kind

MODEL_CARD = """Tells positive texts from negative ones. Takes texts; gives a `label` (`positive` or `negative`) and
the `probability` of positive.

    mlflow.pyfunc.load_model("models:/{name}@champion").predict(["one of the best films this year"])

The alias `champion` names the version to use. `challenger` names the latest that passed its checks and did not become
champion. Each version has a card of its own. Nothing in a version is unpickled when it is loaded."""
WORST = 5
"""Capabilities listed: those with the most failures."""
KEPT = {"head": "the beginning", "tail": "the end", "head_tail": "the beginning and the end"}
"""What is left of a long text, by `text.truncate`."""

Metrics = Mapping[str, Any]


def model_card(config: Config) -> str:
    """Description of the registered model."""
    return MODEL_CARD.format(name=config.registry.model_name)


def version_card(config: Config, metrics: Metrics, tags: Mapping[str, str]) -> str:
    """The model card of one version: what it is for and not for, its data, its figures, how to make it again.

    After Mitchell et al. (2019), Model Cards for Model Reporting. What it says of the corpus comes from the
    configuration alone.

    Args:
        config: the configuration it was trained with.
        metrics: the content of `reports/metrics.json`.
        tags: of the version.
    """
    corpus = config.corpus
    parts = {
        f"`{model_kind(config)}` trained on {corpus.name}": _figures(metrics),
        "Intended use": [
            "Telling positive texts from negative ones, of the kind it was trained on: "
            f"{corpus.name} ({corpus.source}). Not for texts of another kind or language, for a third answer such as "
            "neutral or mixed, or for decisions about people."
        ],
        "Limits": [f"- {limit}" for limit in _limits(config, metrics)],
        "Behaviour": _behaviour(metrics.get("behaviour", {})),
        "Data": [f"- {corpus.name}: {corpus.source}", f"- licence: {corpus.licence}", f"- citation: {corpus.citation}"],
        "Make it again": [
            f"- code: {code_version(tags)}",
            f"- data: md5 `{tags['data.md5']}`",
            f"- command: {_command(tags)}",
        ],
    }
    return "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in parts.items() if lines)


def _figures(metrics: Metrics) -> list[str]:
    intervals = metrics.get("intervals", {}).get("test", {})
    lines = [figures_table(metrics["test"], metrics.get("baseline", {}), intervals)]
    if intervals:
        lines += ["", "The intervals say how far the choice of test reviews may have moved a figure (95 %, bootstrap)."]
    if pairs := metrics.get("contrast"):
        lines += ["", f"Of {pairs['pairs']:,} contrast pairs it gets both right in {pairs['consistency']:.1%}."]
    return lines


def _limits(config: Config, metrics: Metrics) -> Iterator[str]:
    if _drawn_test(config):
        yield (
            "The test reviews were drawn at random from the corpus, so that training and test may share subjects and "
            "authors: that flatters the figures."
        )
    yield f"It tells words apart as English does (`{config.text.tokenizer}`)."
    if (longest := config.text.max_tokens) is not None:
        yield f"Of texts longer than {longest} words it reads only {KEPT[config.text.truncate]}."
    yield "The probabilities were calibrated on reviews of the same corpus; on other texts they may mislead."
    if worst := metrics.get("worst_slice"):
        yield f"On one part of the test reviews, of {worst['reviews']:,}, its accuracy is only {worst['accuracy']:.4f}."


def _drawn_test(config: Config) -> bool:
    """Whether the corpus has no test split of its own."""
    match config.corpus:
        case ArchiveCorpus():
            return False
        case FilesCorpus(test=str()):
            return False
    return True


def _behaviour(capabilities: Mapping[str, Mapping[str, float]]) -> list[str]:
    rates = sorted(((found["failure_rate"], name) for name, found in capabilities.items()), reverse=True)
    if not rates:
        return []
    rows = [f"| {name.replace('_', ' ')} | {rate:.1%} |" for rate, name in rates[:WORST]]
    return [
        f"Where it fails most, of {len(rates)} capabilities tried:",
        "",
        "| capability | failures |",
        "|---|---|",
        *rows,
    ]


def _command(tags: Mapping[str, str]) -> str:
    experiment = tags.get("dvc.experiment")
    return f"`dvc exp apply {experiment}`, then `dvc repro`" if experiment else "`dvc repro`"
