"""Tokenizers: from cleaned texts to tokens."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import regex

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
    """Separate characters, each with its combining marks, for scripts that do not part words by spaces."""
    return " ".join(_CHARACTER.findall(text.lower()))


_SPACED = {"basic_english": basic_english, "unicode_words": unicode_words, "characters": characters}


class Tokenizer:
    """Tokenizer of texts, one at a time or many at once, with equal tokens."""

    def __init__(self, name: str) -> None:
        self._spaced = _SPACED[name]

    def __call__(self, text: str) -> list[str]:
        """Return the tokens of one text [n]."""
        return self._spaced(text).split()

    def batch(self, texts: Sequence[str], empty: str) -> pa.ListArray:
        """Return the tokens of each text, in a fraction of the time; a text without tokens gets one token, `empty`."""
        # Arrow splits where Python does, but makes empty tokens of whitespace at either end
        return pc.utf8_split_whitespace(pa.array([self._spaced(text).strip() or empty for text in texts], pa.string()))
