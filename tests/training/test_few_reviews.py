"""The rules by which a training follows the number of its reviews."""

import logging

import numpy as np
import pytest

from pipeline.training.few_reviews import fitted_by_regression, path_spreads, resolve_epochs
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


def test_ngrams_of_few_and_not_too_long_reviews_are_fitted_by_regression():
    assert fitted_by_regression(np.full(4_999, 280), columns=1)
    assert not fitted_by_regression(np.full(5_000, 280), columns=1)
    assert not fitted_by_regression(np.full(4_999, 280), columns=5)
    assert not fitted_by_regression(np.full(100, 50_000), columns=1)


def test_few_training_reviews_make_the_recurrent_network_prove_itself():
    (few_deep, few_wide), (deep, wide) = path_spreads(4_999), path_spreads(5_000)
    assert few_deep < few_wide
    assert deep == wide
