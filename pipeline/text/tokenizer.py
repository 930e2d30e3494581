"""From cleaned texts to tokens."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_BASIC_ENGLISH = (
    *(("'", " '  "), ('"', ""), (".", " . "), ("<br />", " "), (",", " , "), ("(", " ( "), (")", " ) ")),
    *(("!", " ! "), ("?", " ? "), (";", " "), (":", " ")),
)
"""What is replaced by what, one after the other, once a text is in lower case."""


def basic_english(text: str) -> str:
    """The text with whitespace between what torchtext's tokenizer of that name makes its tokens.

    Source: `torchtext.data.utils` of torchtext 0.6, which does the same with twelve regular expressions and takes
    several times as long; tests hold the tokens of both against each other.
    """
    text = text.lower()
    for old, new in _BASIC_ENGLISH:
        text = text.replace(old, new)
    return text


_SPACED = {"basic_english": basic_english}


class Tokenizer:
    """Splits texts into tokens, one at a time or many at once; both ways give the same."""

    def __init__(self, name: str) -> None:
        self._spaced = _SPACED[name]

    def __call__(self, text: str) -> list[str]:
        """The tokens of one text [n]."""
        return self._spaced(text).split()

    def batch(self, texts: Sequence[str], empty: str) -> pa.ListArray:
        """The tokens of each text, in a fraction of the time; `empty` is the one token of a text that has none."""
        # Arrow splits where Python does, but makes empty tokens of whitespace at either end.
        return pc.utf8_split_whitespace(pa.array([self._spaced(text).strip() or empty for text in texts], pa.string()))
