"""Negation scope, and the n-grams that know of it."""

import numpy as np
import pytest
import torch

from pipeline.networks.negation import NegationScope
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.padding import pad
from pipeline.text.vocabulary import Encoder, Vocabulary

WORDS = ["i", "do", "don", "'", "t", "like", "it", ",", "but", "he", "is", "not", "bad", "never", "good", "."]


@pytest.fixture(scope="module")
def encoder(compose):
    return Encoder(compose().text, Vocabulary(["<pad>", "<unk>", *WORDS]))


@pytest.fixture(scope="module")
def scope(encoder):
    scope = NegationScope(len(WORDS) + 2, 4, 4)
    negations, ends = ["don't", "not", "never", "hardly"], [",", ".", "but", "it is"]
    assert scope.look_up([*map(encoder.encode, negations)], [*map(encoder.encode, ends)]) == 3  # none for "hardly"
    return scope


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("I like it.", ""),
        ("I don't like it, but he is good.", "like it"),
        ("It is not bad. Never good!", "bad good <unk>"),
        ("not never it", "never it"),  # a negation is in the scope of an earlier one
        ("I do ' t like", ""),  # half of "don't" is none
        ("hardly good", ""),  # not in the vocabulary, so unknown words negate nothing
        ("not", ""),
    ],
)
def test_the_words_from_a_negation_to_the_end_of_its_clause_are_marked(text, marked, encoder, scope):
    words = ["<pad>", "<unk>", *WORDS]
    ids = encoder.encode(text)
    rows, _ = pad([ids, encoder.encode("he is good . " * 5)], None)
    mask = scope(rows)
    assert [words[word] for word in rows[0][mask[0]].tolist()] == [*marked.split()] + ["<pad>"] * int(
        mask[0][len(ids) :].sum()
    )
    assert not mask[1].any()


def test_negated_words_have_buckets_and_weights_of_their_own(encoder, scope):
    wide = NgramLogOdds(1, 16, negation=scope)
    reviews = [encoder.encode(text) for text in ("not good", "never bad", "good", "bad")]
    wide.count(reviews, np.array([0, 1, 1, 0], np.int8))
    buckets = {text: wide.hashed(torch.from_numpy(encoder.encode(text))[None])[0][0] for text in ("not good", "good")}
    assert buckets["not good"][1] != buckets["good"][0]
    assert wide.ratio[buckets["not good"][1]] < 0 < wide.ratio[buckets["good"][0]]
