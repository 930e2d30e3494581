"""The measures of memory, on networks whose memory is known."""

import numpy as np
import pytest
import torch

from pipeline.inference.calibration import Calibration
from pipeline.inference.decision_rule import DecisionRule
from pipeline.memory_ladder.measures import OPPOSITES, farther_half, gradient_curve, long_reviews, replace_sentence
from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.likelihood import LOGISTIC, CumulativeLogits, Softmax
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.text.tokenizer import Tokenizer

GOOD, BAD, OTHER = 2, 3, 4
PAIR = [(np.array([GOOD], np.int32), np.array([BAD], np.int32))]


def some_reviews(*lengths):
    return [np.full(length, OTHER, np.int32) for length in lengths]


def remembering(decay, *, at_start=False, likelihood=LOGISTIC):
    """Return a network with a plain cell of one unit, whose state is the word read plus `decay` times its last state.

    With `at_start` it reads a review from its end, as the backward half of a bidirectional network, so that its
    prediction is read at the start. Of several columns the state speaks for the last and against the first.
    """
    network = SentimentRNN(5, likelihood.columns, 1, 1, 1, cell="rnn", bidirectional=True, likelihood=likelihood).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight[:, 0] = torch.tensor([0.0, 0.0, 0.01, -0.01, 0.0])
        for cell in (network.lstm, network.lstm_backward):
            cell.weight_ih_l0.fill_(1)
            cell.weight_hh_l0.fill_(decay)
        network.fc.weight[0, 1 if at_start else 0] = -1
        network.fc.weight[-1, 1 if at_start else 0] = 1
    return network


def test_a_bag_of_words_depends_on_every_step_alike():
    curve = gradient_curve(BagOfWords(5, 3).eval(), some_reviews(8, 8, 11))
    np.testing.assert_allclose(curve, 1 / 8, rtol=1e-5)
    assert farther_half(curve) == pytest.approx(0.5)


@pytest.mark.parametrize("likelihood", [LOGISTIC, Softmax(3), CumulativeLogits(5)])
@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_a_cell_that_forgets_at_a_known_rate_shows_that_rate(decay, likelihood):
    curve = gradient_curve(remembering(decay, likelihood=likelihood), some_reviews(30, 45, 100))
    assert len(curve) == 30
    assert curve.sum() == pytest.approx(1)
    np.testing.assert_allclose(curve[1:] / curve[:-1], decay, rtol=1e-3)


def test_steps_are_counted_from_the_last_word_of_each_review():
    np.testing.assert_array_equal(gradient_curve(remembering(0.0), some_reviews(5, 9)), [1, 0, 0, 0, 0])


def test_a_network_that_reads_an_excerpt_is_measured_on_that():
    network = remembering(0.0)
    network.max_length = 4
    np.testing.assert_array_equal(gradient_curve(network, some_reviews(6, 9)), [1, 0, 0, 0])


def test_a_network_of_fixed_length_is_measured_on_what_it_reads():
    curve = gradient_curve(remembering(0.5), some_reviews(30, 12), fixed_length=20)
    assert len(curve) == 12
    np.testing.assert_allclose(curve[1:] / curve[:-1], 0.5, rtol=1e-3)


@pytest.mark.parametrize(("reads", "at_start"), [("first word", True), ("last word", False)])
def test_a_sentence_flips_the_prediction_of_a_network_that_reads_it_and_no_other(reads, at_start):
    network = remembering(0.0, at_start=at_start)
    flips = {
        at_end: replace_sentence(
            network,
            some_reviews(3, 9),
            PAIR,
            calibration=Calibration(LOGISTIC, [2.0], [0.0], DecisionRule(0.5)),
            at_end=at_end,
        )
        for at_end in (False, True)
    }
    read, unread = flips[not at_start], flips[at_start]
    assert (read.flip_rate, unread.flip_rate) == (1, 0), reads
    assert read.log_odds_change == pytest.approx(0.02 / 2, rel=1e-3)
    assert unread.log_odds_change == 0


def test_a_prediction_that_changes_on_one_side_of_the_threshold_is_no_flip():
    influence = replace_sentence(
        remembering(0.0, at_start=True),
        some_reviews(3),
        PAIR,
        calibration=Calibration(LOGISTIC, [1.0], [0.0], DecisionRule(0.6)),
    )
    assert influence.flip_rate == 0
    assert influence.log_odds_change > 0


def test_a_network_that_is_certain_of_one_of_several_classes_has_a_curve():
    network = remembering(0.5, likelihood=Softmax(3))
    with torch.no_grad():
        network.fc.bias[2] = 1e3
    curve = gradient_curve(network, some_reviews(30))
    np.testing.assert_allclose(curve[1:] / curve[:-1], 0.5, rtol=1e-3)


@pytest.mark.parametrize(("class_indices", "factor"), [((0, 2), 2), ((0, 1), 1)])
def test_of_several_classes_the_log_odds_are_those_of_positive_against_negative(class_indices, factor):
    calibration = Calibration(Softmax(3), [2.0, 2.0, 2.0], [0.1, 0.1, 0.1], DecisionRule())
    network = remembering(0.0, at_start=True, likelihood=calibration.likelihood)
    influence = replace_sentence(
        network, some_reviews(3, 9), PAIR, calibration=calibration, class_indices=class_indices
    )
    assert influence.flip_rate == 1  # from the last class to the first
    assert influence.log_odds_change == pytest.approx(factor * 0.02 / 2, rel=1e-3)


def test_of_ordered_classes_a_sentence_may_move_the_log_odds_without_a_flip():
    likelihood = CumulativeLogits(5)
    calibration = Calibration(likelihood, [1.0], [0.0] * 4, DecisionRule())
    network = remembering(0.0, at_start=True, likelihood=likelihood)
    influence = replace_sentence(network, some_reviews(3), PAIR, calibration=calibration, class_indices=(0, 4))
    assert influence.flip_rate == 0
    assert influence.log_odds_change > 0


def test_long_reviews_are_the_longer_half_spread_evenly():
    reviews = some_reviews(*range(1, 102))
    assert [len(review) for review in long_reviews(reviews, 1000)] == list(range(51, 102))
    assert [len(review) for review in long_reviews(reviews, 3)] == [51, 76, 101]


def test_a_sentence_and_its_opposite_are_of_one_length():
    tokenize = Tokenizer("basic_english")
    for positive, negative in OPPOSITES:
        assert len(tokenize(positive)) == len(tokenize(negative)), positive
