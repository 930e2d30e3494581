"""Inference from raw texts: the time of the trained model, and the article's plain loop with the same weights."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchtext.data.utils import get_tokenizer

from benchmarks import reference
from benchmarks.corpus import configuration
from benchmarks.measuring import Figure, alternate, seconds
from pipeline.inference.model_folder import FORMAT_VERSION
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.networks.build import build_network
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.text.vocabulary import Vocabulary

SPREAD = 100.0
"""Factor of the output layer. An untrained network gives every text a probability of 0.50; with this factor its answers
spread like those of a trained network, so that a difference between the two sides shows."""

Answer = Callable[[Sequence[str]], NDArray[np.float32]]


def both_sides(vocabulary: Vocabulary) -> tuple[Answer, Answer]:
    """Return the reference and `Predictor`, with the same random weights and an output layer `SPREAD` times as large.

    Both take whole reviews and read the first 200 tokens, as the article's network does; without that limit they would
    compute different things.
    """
    config = configuration("experiment=article")
    torch.manual_seed(config.seed)
    network = build_network(config.model, len(vocabulary)).eval()
    assert isinstance(network, SentimentRNN)
    network.fc.weight.data *= SPREAD
    plain = reference.ReferenceNetwork(len(vocabulary))
    plain.load_state_dict(network.state_dict())
    ids = {word: index for index, word in enumerate(vocabulary.words)}
    info = ModelInfo(
        format=FORMAT_VERSION, temperature=[1.0], bias=[0.0], threshold=0.5, text=config.text, model=config.model
    )
    reference_answer = partial(reference.answer, plain, get_tokenizer("basic_english"), ids)
    predictor = Predictor(network, vocabulary, info)
    return reference_answer, lambda texts: predictor.probabilities(texts)[:, 1]


def compare(dataset: Path, model: Path, texts: Sequence[str], *, rounds: int = 3) -> list[Figure]:
    """Measure the time that a trained model takes, and check our answers with the article's network.

    Args:
        dataset: dataset folder, encoded as in the article.
        model: folder of the trained model.
        texts: reviews to answer.
        rounds: measurements; the first answers before them warm up.
    """
    reference_answer, our_answer = both_sides(Vocabulary.load(dataset / "vocab.json"))
    difference = float(np.abs(reference_answer(texts) - our_answer(texts)).max())
    predictor = Predictor.load(model)
    predictor(texts)
    medians = alternate("inference", {"seconds": partial(_seconds_per_review, predictor, texts)}, rounds)
    value, details = 1e6 * medians["seconds"], {"reviews": len(texts)}
    return [
        Figure(
            "A review from raw text to label, the trained model", value, "at most", 500.0, "µs of one core", details
        ),
        Figure(
            "Largest difference of predictions, the article's network", difference, "at most", 1e-3, "in probability"
        ),
    ]


def _seconds_per_review(predictor: Predictor, texts: Sequence[str]) -> float:
    started = seconds()
    predictor(texts)
    return (seconds() - started) / len(texts)
