"""Share of the training reviews' frequent words in other texts: a small one shows another language."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

import regex

from pipeline.text.unspaced import space_characters

REVIEWS_COUNTED = 1000
FREQUENT = 200
"""Number of words that count as frequent: in texts of the same language they are about half of all words."""
MIN_FREQUENT_SHARE = 0.25
"""Minimum share in texts of the same language: in English texts, frequent words of English film reviews have a share of
0.5, those of ten other languages up to 0.16."""

_WORD = regex.compile(r"[\p{L}\p{M}]+")


def frequent_words(reviews: Iterable[str]) -> set[str]:
    """Return the `FREQUENT` most frequent words of the first `REVIEWS_COUNTED` reviews; no more are read."""
    return {word for word, _ in Counter(_words(islice(reviews, REVIEWS_COUNTED))).most_common(FREQUENT)}


def share_of_words(texts: Iterable[str], frequent: Collection[str]) -> float:
    """Return the share of the words of `texts`, each counted as often as it occurs, that are among the frequent ones.

    Texts without words have share 0.
    """
    known = [word in frequent for word in _words(texts)]
    return sum(known) / max(1, len(known))


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from _WORD.findall(space_characters(text.casefold()))
