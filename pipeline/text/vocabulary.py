"""Vocabulary: the words a model knows, and the encoding of a review as their ids."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config.text import TextConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import read_bounded, read_bounded_bytes, write_json
from pipeline.text.cleaning import clean, prepare
from pipeline.text.tokenizer import Tokenizer

PADDING, UNKNOWN = 0, 1
SPECIALS = ["<pad>", "<unk>"]


MODEL_FILE = "sentencepiece.model"
"""File of a learned tokenizer, beside that of its vocabulary."""


class Vocabulary:
    """Words in the order of their ids; id 0 is padding, id 1 any unknown word.

    Args:
        words: the words, `SPECIALS` first.
        tokenizer_model: model of the tokenizer `sentencepiece`, whose pieces are the words; None for the others.
    """

    def __init__(self, words: Sequence[str], tokenizer_model: bytes | None = None) -> None:
        self.words = list(words)
        self.tokenizer_model = tokenizer_model
        # a review that spells out "<pad>" does not become padding
        self._ids = {word: index for index, word in enumerate(self.words) if word not in SPECIALS}

    @classmethod
    def build(
        cls, counts: Counter[str], config: TextConfig, reviews: int, tokenizer_model: bytes | None = None
    ) -> "Vocabulary":
        """Build the vocabulary of the most frequent words, with torchtext; ties are in alphabetical order.

        Args:
            counts: occurrences of each word in the texts to train on.
            config: its limits of the vocabulary are used.
            reviews: number of reviews in the training split.
            tokenizer_model: model of the tokenizer, if it was learned.
        """
        from torchtext.vocab import Vocab  # imports torch, which processes that only tokenise do not need

        default = default_min_frequency(reviews) if tokenizer_model is None else 1
        min_frequency = config.min_frequency or default
        words = Vocab(counts, config.max_vocabulary, min_frequency, specials=SPECIALS).itos
        return cls(words, tokenizer_model)

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote.

        Raises:
            PipelineError: the file is missing or holds no vocabulary.
        """
        try:
            words = json.loads(read_bounded(path, "make the folder again"))
        except FileNotFoundError:
            raise PipelineError(f"{path} is missing, the folder is incomplete; make it again") from None
        except (ValueError, RecursionError):
            raise PipelineError(f"{path} is not JSON, the folder is damaged; make it again") from None
        texts = isinstance(words, list) and all(isinstance(word, str) for word in words)
        if not texts or words[:2] != SPECIALS or len(set(words)) != len(words) or not _encodable(words):
            expected = f"a list of different words that begins with {SPECIALS}"
            raise PipelineError(f"{path} is no vocabulary ({expected}); make the folder again")
        model = path.with_name(MODEL_FILE)
        return cls(words, read_bounded_bytes(model, "make the folder again") if model.exists() else None)

    def save(self, path: Path) -> None:
        """Write the words as a JSON list, and the model of a learned tokenizer beside it."""
        write_json(path, self.words)
        if self.tokenizer_model is not None:
            path.with_name(MODEL_FILE).write_bytes(self.tokenizer_model)

    def __len__(self) -> int:
        return len(self.words)

    def ids(self, words: Iterable[str]) -> NDArray[np.int32]:
        """Return the id of each word [n]; an unknown word has the id `UNKNOWN`."""
        return np.fromiter((self._ids.get(word, UNKNOWN) for word in words), dtype=np.int32)

    def arrange(self, vectors: NDArray[np.float32], rows: dict[str, int]) -> NDArray[np.float32]:
        """Arrange word vectors in the order of the ids, with torchtext.

        Args:
            vectors: vectors in any order [n, dimension].
            rows: row of each word that has a vector.

        Returns:
            the vectors [words, dimension]; zeros for a word without one.
        """
        import torch
        from torchtext.vocab import Vocab

        table = Vocab(Counter(), specials=self.words)
        table.set_vectors(rows, torch.from_numpy(vectors), vectors.shape[1])
        return np.asarray(table.vectors)


def default_min_frequency(reviews: int) -> int:
    """Return the smallest word frequency for a number of training reviews: with few, rare words matter too."""
    return 1 if reviews < 2_000 else 2 if reviews < 10_000 else 5


class Encoder:
    """Encoder of reviews as the token ids that a network reads, by the text configuration it was trained with."""

    def __init__(self, config: TextConfig, vocabulary: Vocabulary) -> None:
        self._config = config
        self._vocabulary = vocabulary
        self._tokenize = Tokenizer(config.tokenizer, vocabulary.tokenizer_model)

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the token ids [n] of a text; n is at least 1, as a text without words is one unknown word."""
        tokens = self._tokenize(prepare(clean(text), self._config)) or [SPECIALS[UNKNOWN]]
        return truncate(self._vocabulary.ids(tokens), self._config)


def _encodable(words: Iterable[str]) -> bool:
    """Return whether words can be written as UTF-8; JSON may hold halves of surrogate pairs, which cannot."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        return False
    return True


def truncate(ids: NDArray[np.int32], config: TextConfig) -> NDArray[np.int32]:
    """Return at most `max_tokens` of a review's token ids: its beginning, its end, or half of each."""
    limit = config.max_tokens
    if limit is None or len(ids) <= limit:
        return ids
    if config.truncate == "head":
        return ids[:limit]
    if config.truncate == "tail":
        return ids[-limit:]
    tail = limit // 2
    return np.concatenate([ids[: limit - tail], ids[len(ids) - tail :]])
