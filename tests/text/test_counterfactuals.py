"""Counterfactual sentences."""

import numpy as np
import pytest

from pipeline.text.counterfactuals import make_counterfactuals

PRAISE, BLAME = ["superb", "charming"], ["dreary", "clumsy"]


def corpus(sentences=("The {} is {}.",), extra=()):
    """Reviews of one sentence each, in which two words are praise and two are blame; and further ones."""
    things = ["plot", "cast", "score", "ending", "camera", "set"] * 4
    rows = [
        (sentence.format(thing, word), label)
        for label, words in ((0, BLAME), (1, PRAISE))
        for word in words
        for thing in things
        for sentence in sentences
    ]
    rows += list(extra)
    return [text for text, _ in rows], np.array([label for _, label in rows], np.int8)


def labels_of(texts, labels, seeds=40):
    """All sentences that many seeds make, each with the one label that all of them give it."""
    labelled = {pair for seed in range(seeds) for pair in zip(*made_with(texts, labels, seed), strict=True)}
    match = dict(labelled)
    assert len(match) == len(labelled)
    return match


def made_with(texts, labels, seed=1):
    made, of = make_counterfactuals(texts, labels, seed)
    return made, of.tolist()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The plot is superb.", 1),
        ("The plot is not superb.", 0),
        ("The plot is far from superb.", 0),
        ("The plot isn't dreary.", 1),
        ("The plot is hardly clumsy.", 1),
        ("I do not believe that the cast is superb.", 0),
        ("I do believe that the cast is superb.", 1),
        ("It is not true that the cast is clumsy.", 1),
        ("Some say that the cast is clumsy. That is so.", 0),
    ],
)
def test_a_verdict_that_is_denied_or_exchanged_is_the_opposite_and_one_that_is_both_is_not(text, label):
    assert labels_of(*corpus())[text] == label


def test_verbs_of_liking_are_denied_and_exchanged_in_their_tense():
    made = labels_of(*corpus(extra=[("I loved it.", 1), ("I hate the ending.", 0)]))
    assert {text: made[text] for text in ("I loved it.", "I hated it.", "I did not love it.", "I never loved it.")} == {
        "I loved it.": 1,
        "I hated it.": 0,
        "I did not love it.": 0,
        "I never loved it.": 0,
    }
    assert made["I do not hate the ending."] == made["I love the ending."] == 1


@pytest.mark.parametrize(
    "text",
    [
        "The rest is not superb.",  # denied already
        "The rest is superb, but far too long.",
        "The rest is dreary.",  # on the other side of its review
        "The rest is superb and charming.",
        "The rest is superb" + " in its way" * 10 + ".",
    ],
)
def test_sentences_whose_verdict_is_not_plain_are_left_alone(text):
    made, _ = made_with(*corpus(extra=[(text, 1)]))
    assert made
    assert not any("rest" in sentence for sentence in made)


def test_without_words_that_tell_the_classes_apart_there_are_none():
    texts, labels = corpus()
    assert made_with(texts, np.ones_like(labels)) == ([], [])
    assert made_with(["Der Film ist langweilig.", "Der Film ist gut."] * 50, np.array([0, 1] * 50, np.int8)) == ([], [])


def test_the_same_seed_makes_the_same_sentences():
    assert made_with(*corpus()) == made_with(*corpus()) != made_with(*corpus(), 2)
