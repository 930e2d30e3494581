"""Small networks, parts of their state, and their inputs."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.schema import Config
from pipeline.networks.language_model import LanguageModel
from pipeline.networks.regions import NO_NGRAM
from pipeline.networks.sequence_keys import sequence_keys
from pipeline.text.vocabulary import SPECIALS


def random_ids(*shape: int, vocab_size: int = 50) -> Tensor:
    """Return random token ids of words, without padding and the unknown word."""
    return torch.randint(2, vocab_size, shape)


def letter_reviews(*texts: str) -> list[NDArray[np.int32]]:
    """Return the token ids of texts whose words are letters: the place of a letter in the alphabet, from 2."""
    return [np.array([ord(word) - ord("a") + 2 for word in text.split()], np.int32) for text in texts]


def small_language_model(compose, *overrides: str) -> tuple[LanguageModel, Config]:
    """Return a language model for 30 words, and a configuration whose model has the same sizes."""
    small = ("model.embedding_dim=8", "model.hidden_dim=16", "pretraining.language_model.cutoffs=[5,12]")
    config = compose("pretraining=language_model", *small, *overrides)
    return LanguageModel(30, config.pretraining.language_model), config


def region_state(ngrams: Sequence[NDArray[np.int32]], vocab_size: int, dimension: int) -> dict[str, Tensor]:
    """Return a state of `RegionVectors` with random numbers, for all words and these n-grams of two and more."""
    keys = [int(sequence_keys(torch.from_numpy(ids)[None], len(ids), vocab_size)[-1, 0, -1]) for ids in ngrams]
    vectors = torch.randn(vocab_size + len(keys), dimension).half()
    vectors[: len(SPECIALS)] = 0
    rising = torch.tensor([*sorted(keys), NO_NGRAM])
    return {"keys": rising, "vectors": vectors, "bias": torch.randn(dimension)}
