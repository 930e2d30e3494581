"""Parameters of a run in MLflow: the hyperparameters that people vary; the whole configuration is in config.yaml."""

from collections.abc import Mapping
from typing import Any

from pipeline.config.comparison import flatten
from pipeline.config.schema import Config

TEXT = {"tokenizer", "max_vocabulary", "max_tokens"}
"""Keys of the section `text` that are parameters of a run."""
LEFT_OUT = ("model.wide.negation.", "training.fold")
"""Prefixes of the keys that are not parameters: lists of words; folds, which only a sweep over folds has."""


def hyperparameters(config: Config) -> dict[str, Any]:
    """Return the hyperparameters of a training by key, without those that are switched off (null).

    For pre-training, only the methods are named: its own run has its hyperparameters.
    """
    values = set_values(config.model_dump(mode="json", include={"seed", "model", "text", "training"}))
    selected = {
        key: value
        for key, value in values.items()
        if not key.startswith(LEFT_OUT) and (not key.startswith("text.") or key.removeprefix("text.") in TEXT)
    }
    if not (config.training.adversarial_weight or config.training.virtual_weight):
        del selected["training.perturbation_norm"]
    teacher = {} if config.pseudo_labels.teacher is None else {"pseudo_labels": len(config.pseudo_labels.seeds)}
    return selected | {"pretraining": ", ".join(config.pretraining.methods) or "none"} | teacher


def set_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of nested sections by key, without those that are null; a list becomes `max, mean`."""
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in flatten(values).items()
        if value is not None
    }
