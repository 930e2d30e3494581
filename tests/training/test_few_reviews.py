"""The rules by which a training follows the number of its reviews."""

import logging

import numpy as np
import pytest

from pipeline.training.few_reviews import fitted_by_regression, path_spreads, resolve_epochs, shortage
from tests.conftest import configuration
from tests.support.training import TINY, train


@pytest.mark.parametrize(
    ("reviews", "epochs"),
    # the last two: the default corpus with its sentences, and without
    [(1, 20), (270, 20), (900, 20), (2_700, 8), (6_000, 4), (9_000, 3), (24_248, 3), (17_425, 3)],
)
def test_few_reviews_are_read_more_often_and_the_default_corpus_three_times(reviews, epochs):
    assert resolve_epochs(configuration().training, reviews) == epochs


def test_the_batch_size_counts_and_a_stated_number_of_epochs_holds(caplog):
    with caplog.at_level(logging.INFO):
        assert resolve_epochs(configuration("training.epochs=7").training, 270) == 7
        assert not caplog.text
        assert resolve_epochs(configuration("training.batch_size=4").training, 270) == 9
    assert "training.epochs is null: 9 epochs of 68 steps, for 270 training reviews" in caplog.text


def test_a_training_takes_the_resolved_epochs_and_says_so(compose, dataset, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        trained = train(compose(*TINY, "training.epochs=null", "training.batch_size=32"), dataset, tmp_path)
    assert trained.epochs == len(trained.curve) == 20
    assert "20 epochs of 7 steps, for 220 training reviews" in caplog.text


def of_classes(*counts):
    return np.repeat(np.arange(len(counts)), counts).astype(np.int8)


def test_ngrams_of_few_and_not_too_long_reviews_are_fitted_by_regression():
    assert fitted_by_regression(np.full(4_998, 280), of_classes(2_499, 2_499), columns=1)
    assert not fitted_by_regression(np.full(5_000, 280), of_classes(2_500, 2_500), columns=1)
    assert not fitted_by_regression(np.full(4_998, 280), of_classes(2_499, 2_499), columns=5)
    assert not fitted_by_regression(np.full(100, 50_000), of_classes(50, 50), columns=1)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ((2_499, 2_500), "fewer than 5,000 training texts"),
        ((2_500, 2_500), None),
        ((450, 8_550), "only 450 of the 9,000 training texts are of the rarest class"),
        ((2_500, 100_000), None),
        ((2_000, 0, 2_000, 2_000), None),
        ((1_600, 2_000, 2_000), "only 1,600 of the 5,600 training texts are of the rarest class"),
    ],
)
def test_reviews_of_which_one_class_is_rare_are_few(counts, why, caplog):
    with caplog.at_level(logging.INFO):
        labels = of_classes(*counts)
        assert shortage(labels) == why
        assert fitted_by_regression(np.full(len(labels), 20), labels, columns=1) is (why is not None)
    assert caplog.messages == [f"{why}: n-grams are fitted by regression"] * (why is not None)


def test_few_training_reviews_make_the_recurrent_network_prove_itself():
    (few_deep, few_wide), (deep, wide) = (path_spreads(of_classes(number, number)) for number in (2_499, 2_500))
    assert few_deep < few_wide
    assert deep == wide
