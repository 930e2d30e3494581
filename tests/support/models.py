"""Model folders whose answers are known: a word for each class, and the model labels it so."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.config.schema import Config
from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network
from pipeline.networks.likelihood import build_likelihood
from pipeline.text.vocabulary import SPECIALS, Vocabulary

WORDS = ("awful", "poor", "fair", "fine", "superb")
"""Words of the classes, by number; all others say nothing."""
THREE = ("bad", "so so", "good")
FIVE = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
SPAM = ("ham", "spam")
GAP = 4.0
"""Difference of the scores of neighbouring classes."""


def word_model(folder: Path, compose: Callable[..., Config], classes: Sequence[str], ordered: bool = False) -> Path:
    """Save a bag of words that labels the word of each class with the class; at most as many classes as `WORDS`."""
    config = compose("model=bag_of_words", f"model.embedding_dim={len(classes)}")
    likelihood = build_likelihood(len(classes), ordered)
    vocabulary = Vocabulary([*SPECIALS, *WORDS])
    network = build_network(config.model, len(vocabulary), likelihood)
    scores = [GAP * (number - (len(classes) - 1) / 2) for number in range(len(classes))]
    with torch.no_grad():
        vectors = torch.zeros(len(vocabulary), len(classes))
        for number, score in enumerate(scores):
            place = 0 if likelihood.columns == 1 else number
            vectors[len(SPECIALS) + number, place] = score if likelihood.columns == 1 else GAP
        network.embedding.weight.copy_(vectors)
        network.fc.weight.copy_(torch.eye(likelihood.columns, len(classes)))
        network.fc.bias.zero_()
        for thresholds in network.thresholds.parameters():
            gap = math.log(math.expm1(GAP))  # inverse of softplus
            thresholds.copy_(torch.tensor([-GAP / 2 - scores[0], *[gap] * (len(classes) - 2)]))
    info = {**of_classes(classes, ordered), **config.model_dump(include={"text", "model"})}
    save_model(folder, network, vocabulary, info)
    return folder


def of_classes(classes: Sequence[str], ordered: bool = False, temperature: float = 1.0) -> dict[str, Any]:
    """Return the part of a model's `config.json` that is about classes, with one temperature and no biases."""
    likelihood = build_likelihood(len(classes), ordered)
    return {
        "classes": classes,
        "ordered": ordered,
        "temperature": [temperature] * likelihood.columns,
        "bias": [0.0] * likelihood.outputs,
        "threshold": 0.5 if len(classes) == 2 else None,
    }
