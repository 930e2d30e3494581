"""Tokenizers: from cleaned texts to tokens."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import regex
from sentencepiece import SentencePieceProcessor

from pipeline.runtime.errors import PipelineError

_BASIC_ENGLISH = (
    *(("'", " '  "), ('"', ""), (".", " . "), ("<br />", " "), (",", " , "), ("(", " ( "), (")", " ) ")),
    *(("!", " ! "), ("?", " ? "), (";", " "), (":", " ")),
)
"""Replacements, made one after the other in a lower-case text."""


def basic_english(text: str) -> str:
    """Separate the tokens of torchtext's tokenizer of this name by whitespace.

    Source: `torchtext.data.utils` of torchtext 0.6, which does the same with twelve regular expressions and takes
    several times as long; a test compares the tokens of both.
    """
    text = text.lower()
    for old, new in _BASIC_ENGLISH:
        if old in text:  # much faster than a replacement without effect
            text = text.replace(old, new)
    return text


_WORD_OR_SYMBOL = regex.compile(
    r"<(?:url|user)>"
    r"|(?<!\w)\p{L}{1,3}+\*{2,}+(?!\w)"  # a word that hides letters, as `sh*t` is of the next kind
    r"|[\p{L}\p{M}\p{N}]++(?:(?:'|\*++)[\p{L}\p{M}]++|_++[\p{L}\p{M}\p{N}]++)*+"
    r"|\*++|[^\s\p{L}\p{M}\p{N}]"
)
_CHARACTER = regex.compile(r"<(?:url|user)>|[^\s]\p{M}*+")


def unicode_words(text: str) -> str:
    """Separate words of any script, and symbols; accents stay, and so do apostrophes, `*` and `_` within a word."""
    return " ".join(_WORD_OR_SYMBOL.findall(text.lower()))


def characters(text: str) -> str:
    """Separate characters, each with its combining marks, for scripts that do not separate words by spaces."""
    return " ".join(_CHARACTER.findall(text.lower()))


BEGINNING = "▁"
"""Mark that sentencepiece sets before the first piece of a word."""


def sentencepiece_text(text: str) -> str:
    """Return the text that a sentencepiece model learns from or reads: in lower case, a space between words."""
    words = " ".join(text.lower().split())
    return words.encode(errors="ignore").decode()  # JSON may hold halves of surrogate pairs


@lru_cache(maxsize=2)
def _sentencepiece(model: bytes | None) -> Callable[[str], str]:
    """Return the function that separates the pieces of words.

    Args:
        model: the learned model, as sentencepiece serialises it.

    Raises:
        PipelineError: the model is missing or damaged.
    """
    if model is None:
        raise PipelineError("sentencepiece.model is missing, the folder is incomplete; make it again")
    try:
        processor = SentencePieceProcessor(model_proto=model)
        processor.encode("")  # fails for an empty model
    except RuntimeError:
        raise PipelineError("sentencepiece.model is damaged; make its folder again") from None
    return lambda text: " ".join(processor.encode(sentencepiece_text(text), out_type=str))


_SPACED = {"basic_english": basic_english, "unicode_words": unicode_words, "characters": characters}


class Tokenizer:
    """Tokenizer of texts, one at a time or many at once, with equal tokens.

    Args:
        name: `text.tokenizer` of the configuration.
        model: the learned model of the tokenizer `sentencepiece`.

    Raises:
        PipelineError: the model is missing or damaged.
    """

    def __init__(self, name: str, model: bytes | None = None) -> None:
        self._spaced = _sentencepiece(model) if name == "sentencepiece" else _SPACED[name]

    def __call__(self, text: str) -> list[str]:
        """Return the tokens of one text [n]."""
        return self._spaced(text).split()

    def batch(self, texts: Sequence[str], empty: str) -> pa.ListArray:
        """Return the tokens of each text, much faster than one by one; a text without any gets one token, `empty`."""
        # Arrow splits where Python does, but makes empty tokens of whitespace at either end
        return pc.utf8_split_whitespace(pa.array([self._spaced(text).strip() or empty for text in texts], pa.string()))
