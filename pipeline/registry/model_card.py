"""Model cards: the descriptions of a registered model and of its versions, as Markdown.

The prose is in the templates beside this module: registered_model.md, and model_card.md for a version. MLflow shows
each line of a paragraph as a line of its own, so that a paragraph there is one line.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.config.labels import LABELS
from pipeline.config.model import BagOfWordsConfig, Model
from pipeline.config.schema import Config
from pipeline.config.split import SPLITS
from pipeline.evaluation.metrics import HEADLINE, metric_names, objective_name
from pipeline.inference.model_info import ModelInfo
from pipeline.report.formatting import count, counts, interval, markdown_table, number, percent, readable
from pipeline.text.dataset import DatasetRecord
from pipeline.tracking.description import code_version
from pipeline.tracking.evaluation_record import headline_table
from pipeline.tracking.training_record import TrainingRecord

MAX_FAILURES = 5
"""Number of capabilities that a card lists, those with the highest failure rates."""

WEAKEST_CLASSES = 3
"""Number of classes that a card lists, those with the lowest F1."""

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "Elman RNN"}
"""Names of the recurrent cells."""

_TEMPLATES = Environment(
    loader=PackageLoader("pipeline.registry", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.globals.update(count=count, interval=interval, number=number, percent=percent)


def model_card(config: Config) -> str:
    """Return the description of the registered model, which applies to all its versions."""
    return _TEMPLATES.get_template("registered_model.md").render(name=config.registry.model_name)


def version_card(
    config: Config, details: Mapping[str, Any], training: TrainingRecord, dataset: DatasetRecord, info: ModelInfo
) -> str:
    """Return the model card of a version: how good it is, its use, network, training and limits, how to reproduce it.

    Args:
        config: the configuration it was trained with.
        details: the content of `reports/details.json`.
        training: the content of `artifacts/run.json`.
        dataset: the content of `dataset.json`.
        info: the content of `config.json` of the model folder.

    Source: Mitchell et al. (2019), Model Cards for Model Reporting.
    """
    intervals = details.get("intervals", {}).get("test", {})
    capabilities = details.get("behaviour", {})
    parts = details.get("parts")
    by_class = details["test"].get("classes", {})
    names = dict(zip(metric_names(config.corpus.classes), config.corpus.classes, strict=True))
    weakest = sorted((values["f1"], names[key]) for key, values in by_class.items() if values["f1"] is not None)
    failures = sorted(((capability["failure_rate"], name) for name, capability in capabilities.items()), reverse=True)
    return _TEMPLATES.get_template("model_card.md").render(
        name=config.registry.model_name,
        title=network_name(config.model),
        network=_deep_name(config.model),
        max_length=config.model.max_length,
        architecture=_architecture(config.model),
        parts=parts,
        parts_table=_parts_table(config.model, parts) if parts else "",
        auxiliary=details.get("auxiliary"),
        classes=config.corpus.classes,
        sentiment=config.corpus.classes == LABELS,
        ordered=config.corpus.in_order,
        corpus=config.corpus,
        text=config.text,
        column=" and ".join(info.text_columns[0]),
        test=details["test"],
        baseline=details.get("baseline"),
        intervals=intervals,
        figures=headline_table(details["test"], details.get("baseline", {}), intervals),
        contrast=details.get("contrast"),
        worst_slice=details.get("worst_slice"),
        weakest=", ".join(f"{name} {number(f1)}" for f1, name in weakest[:WEAKEST_CLASSES]),
        failures=_failures_table(failures[:MAX_FAILURES]),
        capabilities=len(capabilities),
        test_is_drawn="test" not in dataset.corpus.splits,
        reviews=counts({split: rows for split in SPLITS if (rows := dataset.splits.get(split))}),
        left_out=counts(dataset.left_out) or "none",
        training=training,
        duration=timedelta(seconds=round(training.train_seconds)),
        objective=objective_name(info.objective),
        decision=_decision(info),
        code=code_version(training.origin),
        origin=training.origin,
    )


def front_matter(config: Config, details: Mapping[str, Any]) -> str:
    """Return the YAML that stands before a card in its file, with the keys that model hubs read.

    Args:
        config: the configuration it was trained with.
        details: as for `version_card`.
    """
    keys = [key for key in HEADLINE if details["test"].get(key) is not None]
    corpus, task = config.corpus, "text-classification"
    measured = {
        "task": {"type": task},
        "dataset": {"name": corpus.name, "type": corpus.name, "split": "test"},
        "metrics": [{"type": key, "value": details["test"][key]} for key in keys],
    }
    values = {
        "license": "other",
        "license_name": corpus.licence,
        **({} if corpus.kind == "files" else {"language": "en"}),  # the corpora that come with the project are English
        "pipeline_tag": task,
        "tags": [task, *(["sentiment-analysis"] if corpus.classes == LABELS else []), *_network_tags(config.model)],
        "datasets": [corpus.name, *([corpus.auxiliary.name] if corpus.auxiliary else [])],
        "metrics": keys,
        "model-index": [{"name": config.registry.model_name, "results": [measured]}],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000)}---\n\n"


def network_name(model: Model) -> str:
    """Return the usual name of a network: `BiLSTM and n-grams`."""
    has_ngrams = not isinstance(model, BagOfWordsConfig) and model.wide is not None
    return f"{_deep_name(model)} and n-grams" if has_ngrams else _deep_name(model)


def _deep_name(model: Model) -> str:
    """Return the usual name of a network without its n-grams."""
    if isinstance(model, BagOfWordsConfig):
        return "Bag of words"
    return f"Bi{CELLS[model.cell]}" if model.bidirectional else CELLS[model.cell]


def _network_tags(model: Model) -> list[str]:
    if isinstance(model, BagOfWordsConfig):
        return ["pytorch", "bag-of-words"]
    return ["pytorch", model.cell, *(["n-grams"] if model.wide else [])]


def _architecture(model: Model) -> list[str]:
    """Describe each path of a network in a line."""
    if isinstance(model, BagOfWordsConfig):
        return [f"bag of words: mean of word vectors of {model.embedding_dim} numbers, then a linear layer"]
    layers = f"{model.n_layers} layer{'s' if model.n_layers > 1 else ''}"
    directions = "in each direction" if model.bidirectional else "forwards"
    recurrent = (
        f"{_deep_name(model)}: word vectors of {model.embedding_dim} numbers, {layers} of "
        f"{model.hidden_dim} units {directions}, pooled by {' and '.join(model.pooling)}, then a linear layer"
    )
    if model.wide is None:
        return [recurrent]
    scope = ", those within a negation as n-grams of their own" if model.wide.negation else ""
    return [
        recurrent,
        f"n-grams: log-odds of up to {model.wide.orders} words each, hashed to 2^{model.wide.bits} buckets{scope}",
        "both are trained together, and joined by weights that are fitted on the validation reviews",
    ]


def _parts_table(model: Model, parts: Mapping[str, Any]) -> str:
    deep, names = _deep_name(model), {"ngrams": "n-grams", "joint": "joined"}
    rows = [[names.get(name, deep), number(part["accuracy"]), number(part["log_loss"])] for name, part in parts.items()]
    return markdown_table(["each part alone, on test", "accuracy", "log loss"], rows)


def _failures_table(failures: Sequence[tuple[float, str]]) -> str:
    rows = [[readable(name), percent(rate)] for rate, name in failures]
    return markdown_table(["capability", "failures"], rows) if rows else ""


def _decision(info: ModelInfo) -> str:
    if info.threshold is not None:
        return f"{info.classes[1]} from probability {number(info.threshold)} on"
    return "the most probable class" if info.costs is None else "the class of the lowest expected cost"
