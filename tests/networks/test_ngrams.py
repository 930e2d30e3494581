"""N-grams, on their own and as the wide path of a network."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.networks.build import build_network
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.padding import pad
from tests.support.networks import letter_reviews


def test_ngrams_count_once_each_and_padding_never():
    wide = NgramLogOdds(orders=2, bits=16)
    ids, lengths = pad(letter_reviews("a b a b", "a", "b a c"), None)
    buckets, present = wide.features(ids, lengths)
    counted = [set(row[seen].tolist()) for row, seen in zip(buckets, present, strict=True)]
    assert [len(row) for row in counted] == present.sum(1).tolist() == [4, 1, 5]  # a, b, ab, ba; a; b, a, c, ba, ac
    assert counted[1] < counted[0]
    assert len(counted[0] & counted[2]) == 3  # a, b, ba


def test_ngrams_of_a_review_do_not_depend_on_its_batch():
    torch.manual_seed(0)
    wide = NgramLogOdds(orders=3, bits=16)
    wide.ratio.normal_()
    nn.init.normal_(wide.weight)
    reviews = letter_reviews("a b c d e f", "a", "c b")
    together = wide(*pad(reviews, None))
    for review, expected in zip(reviews, together, strict=True):
        torch.testing.assert_close(wide(*pad([review], None))[0], expected)


def test_ngram_ratios_are_those_of_naive_bayes():
    wide = NgramLogOdds(orders=1, bits=16)
    wide.count(letter_reviews("a b", "a a c", "b c", "c"), np.array([1, 1, 0, 0], np.int8))
    a, b, c = (wide.ratio[wide.features(*pad([review], None))[0][0, 0]].item() for review in letter_reviews(*"abc"))
    # reviews holding a: 2 positive, 0 negative; b: 1 and 1; c: 1 and 2; one is added to each
    for ratio, (p, n) in zip((a, b, c), ((2, 0), (1, 1), (1, 2)), strict=True):
        assert ratio == pytest.approx(math.log((p + 1) / (n + 1)), abs=1e-6)
    assert wide.bias.item() == 0


def test_an_ngram_that_is_as_frequent_in_both_classes_says_nothing_however_many_they_are():
    wide = NgramLogOdds(orders=1, bits=16)
    wide.count(letter_reviews(*["a b"] * 3, "a", *["a b"] * 9, *["a"] * 3), np.array([0] * 4 + [1] * 12, np.int8))
    a, b = (wide.ratio[wide.features(*pad([review], None))[0][0, 0]].item() for review in letter_reviews(*"ab"))
    assert a == b == 0
    assert wide.bias.item() == pytest.approx(math.log(12 / 4))


def test_a_review_of_double_weight_counts_like_two():
    reviews, labels = letter_reviews("a b", "a a c", "b c", "c"), np.array([1, 1, 0, 0], np.int8)
    weighted, repeated = (NgramLogOdds(orders=2, bits=12) for _ in range(2))
    weighted.count(reviews, labels, np.array([1, 2, 1, 2], np.float32))
    repeated.count([*reviews, reviews[1], reviews[3]], labels[[0, 1, 2, 3, 1, 3]])
    torch.testing.assert_close(weighted.ratio, repeated.ratio)
    assert weighted.ratio.any()


def test_the_wide_path_adds_its_log_odds_to_the_networks(compose):
    torch.manual_seed(0)
    small = ("model.embedding_dim=8", "model.hidden_dim=8", "model.wide.bits=12")
    network = build_network(compose(*small).model, vocab_size=30).eval()
    network.wide.ratio.normal_()
    nn.init.normal_(network.wide.weight)
    ids, lengths = pad(letter_reviews("a b c d", "e f"), None)
    deep, _ = network.deep.logits(ids, None, lengths)
    logits, _ = network.logits(ids, None, lengths)
    torch.testing.assert_close(logits, deep + network.wide(ids, lengths))
    network.path_weights.copy_(torch.tensor([0.5, 2.0]))
    logits, _ = network.logits(ids, None, lengths)
    torch.testing.assert_close(logits, 0.5 * deep + 2 * network.wide(ids, lengths))
    torch.testing.assert_close(network(ids, None, lengths)[0], torch.sigmoid(logits[:, 0]))
