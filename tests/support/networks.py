"""Small networks and their inputs."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config.schema import Config
from pipeline.networks.language_model import LanguageModel


def random_ids(*shape: int, vocab_size: int = 50) -> Tensor:
    """Return random token ids of words, without padding and the unknown word."""
    return torch.randint(2, vocab_size, shape)


def letter_reviews(*texts: str) -> list[NDArray[np.int32]]:
    """Return the token ids of texts whose words are letters: the place of a letter in the alphabet, from 2."""
    return [np.array([ord(word) - ord("a") + 2 for word in text.split()], np.int32) for text in texts]


def small_language_model(compose, *overrides: str) -> tuple[LanguageModel, Config]:
    """Return a language model for 30 words, and a configuration whose model has the same sizes."""
    small = ("model.embedding_dim=8", "model.hidden_dim=16", "pretraining.cutoffs=[5,12]")
    config = compose("pretraining=language_model", *small, *overrides)
    return LanguageModel(30, config.pretraining), config
