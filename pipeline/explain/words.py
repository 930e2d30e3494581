"""The words of a review as its writer spelled them, beside the ids a network reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config import TextConfig
from pipeline.runtime.errors import PipelineError
from pipeline.text.cleaning import clean
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import UNKNOWN, Vocabulary, truncate

WORD_LIMIT = 500
"""Words an explanation shows: their number squared is what the running verdict costs."""


@dataclass(frozen=True)
class Word:
    """A token of a review."""

    before: str
    """What the tokenizer drops before it: spaces, quotes, colons; `…` where words are left out."""
    text: str
    """The token as the review spells it."""
    known: bool
    """Whether the vocabulary has it."""


@dataclass(frozen=True)
class Reading:
    """What a network reads of a review."""

    words: list[Word]
    ids: NDArray[np.int32]
    """Token ids [n], one for each word."""
    left_out: int
    """Words of the review beyond the model's limit."""


def read(text: str, config: TextConfig, vocabulary: Vocabulary, fixed_length: int | None) -> Reading:
    """Split a review as `pipeline.text.vocabulary.Encoder` does, and keep its spelling.

    Raises:
        PipelineError: it has no words, or the model reads more than `WORD_LIMIT` of them.
    """
    text = clean(text)
    tokens = Tokenizer(config.tokenizer)(text)
    kept = truncate(np.arange(len(tokens), dtype=np.int32), config)[:fixed_length]
    if len(kept) == 0:
        raise PipelineError("the text has no words; give one that has some to explain")
    if len(kept) > WORD_LIMIT:
        raise PipelineError(f"the text has {len(kept):,} words, an explanation shows at most {WORD_LIMIT}; give a part")
    ids = vocabulary.ids([tokens[index] for index in kept])
    spelled = spell(text, tokens)
    words = []
    for number, (index, word_id) in enumerate(zip(kept, ids, strict=True)):
        before, spelling = spelled[index]
        skipped = number and index > kept[number - 1] + 1
        words.append(Word(" … " if skipped else before, spelling, bool(word_id != UNKNOWN)))
    return Reading(words, ids, len(tokens) - len(kept))


def spell(text: str, tokens: Sequence[str]) -> list[tuple[str, str]]:
    """For each token of a text, what stands before it and its own spelling.

    A tokenizer changes case and drops characters, and never their order.
    """
    lower = text.lower()
    # the few letters that grow when lowered ("İ") would shift all that follow
    source = text if len(lower) == len(text) else lower
    pieces, end = [], 0
    for token in tokens:
        before, start = end, lower.index(token[0], end)
        end = start + 1
        for character in token[1:]:
            end = lower.index(character, end) + 1
        pieces.append((source[before:start], source[start:end]))
    return pieces
