"""Inference from raw texts: `predict`'s path, and the article's plain loop, with the same weights."""

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
from pipeline.inference.model_folder import FORMAT, ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.networks.build import build_network
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.text.vocabulary import Vocabulary

SPREAD = 100.0
"""A fresh network says 0.50 to everything. A linear layer so much larger gives answers as far apart as a trained one's,
so that a difference between the two sides would show."""

Answer = Callable[[Sequence[str]], NDArray[np.float32]]


def both_sides(vocabulary: Vocabulary) -> tuple[Answer, Answer]:
    """The reference and `Predictor`, with the same random weights, the last layer `SPREAD` times as large.

    Both take a review whole and read the 200 tokens that the article's network knows: without that limit the two
    would not answer the same question.
    """
    config = configuration("experiment=article")
    torch.manual_seed(config.seed)
    network = build_network(config.model, len(vocabulary)).eval()
    assert isinstance(network, SentimentRNN)
    network.fc.weight.data *= SPREAD
    plain = reference.ReferenceNetwork(len(vocabulary))
    plain.load_state_dict(network.state_dict())
    ids = {word: index for index, word in enumerate(vocabulary.words)}
    info = ModelInfo(format=FORMAT, temperature=1.0, bias=0.0, threshold=0.5, text=config.text, model=config.model)
    theirs = partial(reference.answer, plain, get_tokenizer("basic_english"), ids)
    return theirs, Predictor(network, vocabulary, info).probabilities


def compare(dataset: Path, texts: Sequence[str], *, rounds: int = 3) -> list[Figure]:
    """Reviews per second of both sides, and the largest difference of their answers to `texts`."""
    theirs, ours = both_sides(Vocabulary.load(dataset / "vocab.json"))
    difference = float(np.abs(theirs(texts) - ours(texts)).max())
    sides = {
        "reference": partial(in_plain_process, reference_reviews_per_second, dataset, texts),
        "ours": partial(_reviews_per_second, ours, texts),
    }
    medians = alternate("inference", sides, rounds)
    details = {"reference_reviews_per_second": medians["reference"], "reviews_per_second": medians["ours"]}
    value = medians["ours"] / medians["reference"]
    return [
        Figure("Inference from raw texts, the same weights", value, "at least", 5.0, "times the reference", details),
        Figure("Largest difference of the two answers", difference, "at most", 1e-3, "in probability"),
    ]


def reference_reviews_per_second(dataset: Path, texts: Sequence[str]) -> float:
    """Texts the article's loop answers per second, once warm."""
    theirs, _ = both_sides(Vocabulary.load(dataset / "vocab.json"))
    theirs(texts[: reference.BATCH_SIZE])
    return _reviews_per_second(theirs, texts)


def _reviews_per_second(answer: Answer, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    answer(texts)
    return len(texts) / (time.perf_counter() - started)
