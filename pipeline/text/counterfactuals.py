"""Counterfactual sentences: short sentences of the training texts whose opinion is negated or reversed by rules.

A review is labelled as a whole, so nothing teaches a network that "not bad" is praise. Here short sentences with a
single word of praise or blame, on the side of their review's label, become others of known label by rules: the word is
negated, replaced by one of the other side, or both; or the whole sentence is negated or affirmed by what is put around
it. (People wrote such sentences for Kaushik, Hovy & Lipton 2020, Learning the Difference that Makes a Difference with
Counterfactually-Augmented Data.) The rules are for English; words of praise and blame are found by counting.
"""

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_WORDS = 24
"""Maximum number of words of a sentence that is changed."""
MAX_OF_WORD, MAX_SENTENCES = 80, 2_500
"""Maximum number of sentences changed for one word of praise or blame, and in total."""
MIN_OCCURRENCES = 20
"""Occurrences of a word in the texts below which its side is not known."""
MIN_LOG_RATIO = 0.5
"""Minimum logarithm of the ratio of the shares of the texts of both sides that have a word of praise or blame."""
MIN_PREDICATIVE = 0.15
"""Share of an adjective's occurrences that follow a form of `be`, or a word such as `very`."""

DEGREES = "very|so|really|quite|pretty|extremely|incredibly|absolutely|truly|just|simply|always"
BE = ("is", "was", "are", "were", "'s")
OPINION = re.compile(
    rf"\b(?P<be>{'|'.join(BE)})\s+(?P<degree>(?:{DEGREES})\s+)?(?P<word>[a-z]+)(?=\s*(?:[.,!;:)]|$))", re.IGNORECASE
)
"""A form of `be` and a word that ends a clause."""
FEELINGS = {
    **{"loved": "love", "liked": "like", "enjoyed": "enjoy", "hated": "hate", "disliked": "dislike"},
    **{word: word for word in ("love", "like", "enjoy", "recommend", "hate", "dislike")},
}
"""Verbs of praise and blame, with their base forms."""
FEELING = re.compile(rf"\bI\s+(?:(?:{DEGREES})\s+)?(?P<word>{'|'.join(FEELINGS)})\b")
OPPOSITE_FEELINGS = {
    "love": "hate",
    "like": "dislike",
    "enjoy": "hate",
    "recommend": "dislike",
    "hate": "love",
    "dislike": "like",
}
NEGATIONS = re.compile(
    r"n't\b|\b(?:not|never|no|nobody|nothing|none|hardly|without|cannot|neither|nor|but|if|unless|than|except|however|"
    r"though|although|too|would|could|should)\b",
    re.IGNORECASE,
)
"""Words that may reverse an opinion by themselves: sentences with them are left alone."""
NEGATED_BE = ("{be} not", "{be}n't", "{be} never", "{be} hardly", "{be} not at all", "{be} far from")
NEGATED_S = ("'s not", "'s never", "'s hardly", "'s far from")
NEGATING_FRAMES = (
    *("I do not believe that {it}", "I would never claim that {it}", "It is not true that {it}"),
    *("No one can tell me that {it}", "I do not believe, for what it is worth, that {it}"),
    *("I would not claim, whatever the critics write, that {it}", "Some say that {it} That is not so."),
    *("{it} Or so they say: I disagree.", "I was promised that {it} It is not true.", "{it} Not at all!"),
)
AFFIRMING_FRAMES = (
    *("I do believe that {it}", "I would always claim that {it}", "It is true that {it}"),
    *("Everyone can tell you that {it}", "I do believe, for what it is worth, that {it}"),
    *("I would claim, whatever the critics write, that {it}", "Some say that {it} That is so."),
    *("{it} So they say, and I agree.", "I was promised that {it} It is true.", "{it} Very much so!"),
)
WORD = re.compile(r"[a-z']+|[.,!?()]")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|<br />")

log = logging.getLogger(__name__)


class OpinionSentence(NamedTuple):
    """A sentence with one word of praise or blame."""

    before: str
    """The words in front of the form of `be`, or of the verb."""
    be: str | None
    """Form of `be`; None where the word is a verb, whose subject is `I`."""
    degree: str
    word: str
    after: str
    label: int

    @property
    def text(self) -> str:
        """The whole sentence."""
        return f"{self.before}{self.be or ''}{' ' if self.be else ''}{self.degree}{self.word}{self.after}"


def make_counterfactuals(
    texts: Sequence[str], labels: NDArray[np.int8], seed: int
) -> tuple[list[str], NDArray[np.int8]]:
    """Return counterfactual sentences and their labels, 0 and 1 like those of the texts.

    Args:
        texts: training texts.
        labels: 0 for blame, 1 for praise [texts].
        seed: seed of the choice of sentences and rules.
    """
    random = np.random.default_rng(seed)
    sides = _sides(texts, labels)
    words = [sorted(word for word, side in sides.items() if side == label) for label in (0, 1)]
    sentences = list(_opinion_sentences(texts, labels, sides)) if all(words) else []
    pairs: list[tuple[str, int]] = []
    of_word: Counter[str] = Counter()
    for place in random.permutation(len(sentences)):
        opinion = sentences[place]
        if of_word[opinion.word] < MAX_OF_WORD and of_word.total() < MAX_SENTENCES:
            of_word[opinion.word] += 1
            pairs += _changed(opinion, words[1 - opinion.label], random)
    log.info("made %s counterfactual sentences of %s in the training texts", f"{len(pairs):,}", f"{of_word.total():,}")
    return [text for text, _ in pairs], np.array([label for _, label in pairs], np.int8)


def _sides(texts: Sequence[str], labels: NDArray[np.int8]) -> dict[str, int]:
    """Return the label of each adjective of praise or blame."""
    occurrences, predicative = Counter[str](), Counter[str]()
    in_texts = (Counter[str](), Counter[str]())
    introduced = {*BE, *DEGREES.split("|")}
    for text, label in zip(texts, labels, strict=True):
        words = _words_in(text)
        occurrences.update(words)
        predicative.update(word for previous, word in pairwise(words) if previous in introduced)
        in_texts[label].update(set(words))
    sizes = np.bincount(labels, minlength=2)
    sides = {}
    for word, count in occurrences.items():
        if count < MIN_OCCURRENCES or len(word) < 3 or "'" in word or word.endswith("ly"):
            continue
        blamed, praised = ((in_texts[label][word] + 1) / (sizes[label] + 1) for label in (0, 1))
        ratio = math.log(praised / blamed)
        if abs(ratio) > MIN_LOG_RATIO and predicative[word] > MIN_PREDICATIVE * count:
            sides[word] = int(ratio > 0)
    return sides


def _opinion_sentences(
    texts: Sequence[str], labels: NDArray[np.int8], sides: dict[str, int]
) -> Iterator[OpinionSentence]:
    feelings = {word: int(base not in {"hate", "dislike"}) for word, base in FEELINGS.items()}
    known = sides | feelings
    for text, label in zip(texts, labels.tolist(), strict=True):
        for sentence in SENTENCE_END.split(text):
            if len(sentence) > 12 * MAX_WORDS or NEGATIONS.search(sentence):
                continue
            words = _words_in(sentence)
            if len(words) > MAX_WORDS or sum(word in known for word in words) != 1:
                continue
            if (match := OPINION.search(sentence)) and sides.get(match["word"].lower()) == label:
                start, be, degree = sentence[: match.start()], match["be"], match["degree"] or ""
                yield OpinionSentence(
                    start.lstrip(), be, degree, match["word"], sentence[match.end() :].rstrip(), label
                )
            elif (match := FEELING.search(sentence)) and feelings[match["word"]] == label:
                start = sentence[: match.start()].lstrip() + "I "
                yield OpinionSentence(start, None, "", match["word"], sentence[match.end() :].rstrip(), label)


def _changed(opinion: OpinionSentence, others: Sequence[str], random: np.random.Generator) -> Iterator[tuple[str, int]]:
    """Yield the sentence and what the rules make of it, with their labels."""
    label = opinion.label
    if opinion.be is None:
        base = FEELINGS[opinion.word]
        past = base != opinion.word
        other = OPPOSITE_FEELINGS[base]
        opposite = opinion._replace(word=next(w for w, b in FEELINGS.items() if b == other and (w != b) == past))
    else:
        opposite = opinion._replace(word=others[int(random.integers(len(others)))])
    yield opinion.text, label
    yield opposite.text, 1 - label
    yield _negated(opinion, random), 1 - label
    yield _negated(opposite, random), label
    for frames, side in ((NEGATING_FRAMES, 1), (AFFIRMING_FRAMES, 0)):
        source, source_label = (opinion, label) if random.integers(2) else (opposite, 1 - label)
        yield _framed(frames[random.integers(len(frames))], source.text), source_label ^ side


def _negated(opinion: OpinionSentence, random: np.random.Generator) -> str:
    if opinion.be is None:
        base = FEELINGS[opinion.word]
        do = "did" if base != opinion.word else "do"
        word = (f"{do} not {base}", f"{do}n't {base}", f"never {opinion.word}")[random.integers(3)]
        return opinion._replace(word=word).text
    forms = NEGATED_S if opinion.be == "'s" else NEGATED_BE
    return opinion._replace(be=forms[random.integers(len(forms))].format(be=opinion.be), degree="").text


def _framed(frame: str, sentence: str) -> str:
    ended = sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
    if not frame.startswith("{it}") and not re.match(r"I\b", ended):
        ended = ended[0].lower() + ended[1:]
    return frame.format(it=ended)


def _words_in(text: str) -> list[str]:
    return WORD.findall(text.lower())
