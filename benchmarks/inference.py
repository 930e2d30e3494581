"""Inference from raw texts: `predict`'s code, and the article's plain loop with the same weights."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchtext.data.utils import get_tokenizer

from benchmarks import reference
from benchmarks.corpus import configuration
from benchmarks.measuring import Figure, alternate, in_plain_process
from pipeline.inference.model_folder import FORMAT_VERSION, ModelInfo
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


def compare(dataset: Path, texts: Sequence[str], *, rounds: int = 3) -> list[Figure]:
    """Compare the reviews per second of both sides, and find the largest difference of their answers to `texts`."""
    reference_answer, our_answer = both_sides(Vocabulary.load(dataset / "vocab.json"))
    difference = float(np.abs(reference_answer(texts) - our_answer(texts)).max())
    sides = {
        "reference": partial(in_plain_process, reference_reviews_per_second, dataset, texts),
        "ours": partial(_reviews_per_second, our_answer, texts),
    }
    medians = alternate("inference", sides, rounds)
    details = {"reference_reviews_per_second": medians["reference"], "reviews_per_second": medians["ours"]}
    value = medians["ours"] / medians["reference"]
    return [
        Figure("Inference from raw texts, the same weights", value, "at least", 5.0, "times the reference", details),
        Figure("Largest difference of the two answers", difference, "at most", 1e-3, "in probability"),
    ]


def reference_reviews_per_second(dataset: Path, texts: Sequence[str]) -> float:
    """Return the texts that the article's loop classifies per second after the warm-up."""
    reference_answer, _ = both_sides(Vocabulary.load(dataset / "vocab.json"))
    reference_answer(texts[: reference.BATCH_SIZE])
    return _reviews_per_second(reference_answer, texts)


def _reviews_per_second(answer: Answer, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    answer(texts)
    return len(texts) / (time.perf_counter() - started)
