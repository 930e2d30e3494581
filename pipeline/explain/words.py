"""Words of a review in their original spelling, with the token ids a network reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.config.text import TextConfig
from pipeline.networks.excerpt import excerpt_steps
from pipeline.runtime.errors import PipelineError
from pipeline.text.cleaning import clean, prepare
from pipeline.text.tokenizer import BEGINNING, Tokenizer
from pipeline.text.vocabulary import UNKNOWN, Vocabulary, truncate

MAX_EXPLAINED_WORDS = 500
"""Maximum number of words of an explanation: the cost of the probability after each word grows with their square."""
MAX_TEXT_WORDS = 10_000
"""Maximum number of words of a text of which an excerpt is explained: the n-grams read all words before each of it."""


@dataclass(frozen=True)
class Word:
    """A token of a review."""

    before: str
    """Text before it that the tokenizer drops: spaces, quotes, colons; `…` where words are left out."""
    text: str
    """Token as the review spells it."""
    known: bool
    """True if the vocabulary has it."""


@dataclass(frozen=True)
class Reading:
    """Words of a review that a network reads in order, and the token ids that the model reads."""

    words: list[Word]
    ids: NDArray[np.int32]
    """Token ids [tokens] that the model reads; of long reviews the n-grams read more than the network."""
    steps: NDArray[np.int64]
    """Index into `ids` of each word [n]."""
    left_out: int
    """Number of words of the review that the network does not read."""


def read(
    text: str, config: TextConfig, vocabulary: Vocabulary, fixed_length: int | None, max_length: int | None
) -> Reading:
    """Split a review as `pipeline.text.vocabulary.Encoder` does, and keep the spelling of its normalised text.

    Args:
        text: the review.
        config: text configuration of the model.
        vocabulary: vocabulary of the model.
        fixed_length: fixed length of the network, if it has one.
        max_length: maximum number of words that the network reads, as `pipeline.networks.excerpt` chooses them.

    Raises:
        PipelineError: the review has no words, or more than can be explained.
    """
    text = prepare(clean(text), config)
    tokens = Tokenizer(config.tokenizer, vocabulary.tokenizer_model)(text)
    positions = truncate(np.arange(len(tokens), dtype=np.int32), config)[:fixed_length]
    if len(positions) == 0:
        raise PipelineError("the text has no words; give one with at least one word")
    limit = MAX_EXPLAINED_WORDS if max_length is None or max_length > MAX_EXPLAINED_WORDS else MAX_TEXT_WORDS
    if len(positions) > limit:
        raise PipelineError(
            f"the text has {len(positions):,} words, an explanation takes at most {limit:,}; give a part of it"
        )
    shown_length = min(len(positions), max_length or len(positions))
    steps = excerpt_steps(torch.tensor([len(positions)]), shown_length)[0].numpy()
    ids = vocabulary.ids([tokens[index] for index in positions])
    spelled = spell(text, tokens)
    words = []
    shown_positions = positions[steps]
    for number, (index, word_id) in enumerate(zip(shown_positions, ids[steps], strict=True)):
        before, spelling = spelled[index]
        skipped = number and index > shown_positions[number - 1] + 1
        words.append(Word(" … " if skipped else before, spelling, bool(word_id != UNKNOWN)))
    return Reading(words, ids, steps, len(tokens) - len(words))


def spell(text: str, tokens: Sequence[str]) -> list[tuple[str, str]]:
    """Return for each token of a text the dropped text before it and its original spelling.

    A tokenizer may change the case of characters and drop some of them, but never changes their order.
    """
    lower = text.lower()
    # a few letters, such as "İ", get longer in lower case and would shift all positions after them
    source = text if len(lower) == len(text) else lower
    pieces, end = [], 0
    for token in (token.replace(BEGINNING, "") for token in tokens):
        if not token:  # a piece of its own for the space before a word
            pieces.append(("", BEGINNING))
            continue
        before, start = end, lower.index(token[0], end)
        end = start + 1
        for character in token[1:]:
            end = lower.index(character, end) + 1
        pieces.append((source[before:start], source[start:end]))
    return pieces
