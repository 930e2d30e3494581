"""Likelihoods of two, several and ordered classes."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.build import build_network
from pipeline.networks.likelihood import LOGISTIC, CumulativeLogits, Softmax, build_likelihood
from pipeline.networks.ngrams import MAX_WEIGHTS, NgramLogOdds
from pipeline.networks.padding import pad
from pipeline.runtime.errors import PipelineError
from tests.support.networks import letter_reviews, random_ids

LIKELIHOODS = [LOGISTIC, Softmax(4), CumulativeLogits(4)]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda likelihood: type(likelihood).__name__)
def test_probabilities_sum_to_one_and_the_loss_is_the_cross_entropy(likelihood):
    torch.manual_seed(0)
    outputs = likelihood.output_layer()(3 * torch.randn(50, likelihood.columns))
    assert outputs.shape == (50, likelihood.outputs)
    log_probabilities = likelihood.log_probabilities(outputs)
    torch.testing.assert_close(log_probabilities.exp().sum(1), torch.ones(50))
    labels = torch.arange(50) % likelihood.classes
    losses = -log_probabilities[torch.arange(50), labels]
    torch.testing.assert_close(likelihood.loss(outputs, labels), losses.mean())
    weights = torch.rand(50)
    torch.testing.assert_close(likelihood.loss(outputs, labels, weights), (weights * losses).mean())
    answered = likelihood.probabilities(outputs)
    torch.testing.assert_close(
        answered, log_probabilities.exp() if answered.ndim == 2 else log_probabilities[:, 1].exp()
    )


def test_cumulative_logits_are_the_log_odds_of_a_higher_class():
    likelihood = CumulativeLogits(3)
    outputs = torch.tensor([[2.0, -1.0], [0.5, 0.4]])
    probabilities = likelihood.log_probabilities(outputs).exp()
    torch.testing.assert_close(probabilities[:, 1:].sum(1), torch.sigmoid(outputs[:, 0]))
    torch.testing.assert_close(probabilities[:, 2], torch.sigmoid(outputs[:, 1]))


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_no_score_and_no_training_gives_a_class_no_probability_at_all(scale):
    thresholds = CumulativeLogits(5).output_layer()
    torch.testing.assert_close(
        CumulativeLogits(5).log_probabilities(thresholds(torch.zeros(1, 1))).exp(), torch.full((1, 5), 0.2)
    )
    nn.init.normal_(thresholds.weight, std=scale)
    outputs = thresholds(torch.linspace(-80, 80, 21)[:, None])
    assert torch.isfinite(CumulativeLogits(5).log_probabilities(outputs)).all()
    assert (outputs.diff(dim=1) <= 0).all()


def test_thresholds_learn_the_order_from_a_score():
    random = np.random.default_rng(0)
    score = torch.from_numpy(random.normal(0, 2, (4000, 1))).float()
    noise = torch.from_numpy(random.logistic(0, 1, 4000)).float()
    bounds = torch.tensor([-3.0, -0.5, 1.0])
    labels = torch.bucketize(score[:, 0] + noise, bounds)
    likelihood = CumulativeLogits(4)
    thresholds = likelihood.output_layer()
    optimizer = torch.optim.LBFGS(thresholds.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = likelihood.loss(thresholds(score), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(thresholds(torch.zeros(1, 1))[0], -bounds, atol=0.15, rtol=0)


@pytest.mark.parametrize(("classes", "ordered"), [(3, False), (5, True), (20, False)])
@pytest.mark.parametrize("model", ["sentiment_rnn", "bag_of_words"])
def test_every_network_learns_several_classes(model, classes, ordered, compose):
    small = ("model.hidden_dim=8", "model.wide.bits=12") if model == "sentiment_rnn" else ()
    config = compose(f"model={model}", "model.embedding_dim=12", *small).model
    torch.manual_seed(5)
    likelihood = build_likelihood(classes, ordered)
    network = build_network(config, 60, likelihood).eval()  # without dropout
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    x, y = random_ids(40, 6), torch.arange(40) % classes
    x[:, 2] = 30 + y
    lengths = torch.full((40,), 6)
    for _ in range(150):
        outputs, _ = network.logits(x, None, lengths)
        assert outputs.shape == (40, likelihood.outputs)
        loss = likelihood.loss(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    probabilities = network(x, None, lengths)[0]
    assert (probabilities.argmax(1) == y).all()


def test_the_articles_network_is_for_two_classes(compose):
    with pytest.raises(PipelineError, match=r"output_size: must be 3 for 3 classes, got 1; .*second of two"):
        build_network(compose("model=article").model, 30, Softmax(3))


def test_each_class_has_ngram_ratios_of_its_own():
    reviews, labels = letter_reviews("a b", "a a c", "b c", "c", "a", "d"), np.array([1, 1, 0, 0, 2, 2], np.int8)
    three = NgramLogOdds(1, 16, Softmax(3))
    three.count(reviews, labels)
    for number in range(3):
        one = NgramLogOdds(1, 16)
        one.count(reviews, (labels == number).astype(np.int8))
        torch.testing.assert_close(three.ratio[:, number], one.ratio[:, 0])
    assert three(*pad(reviews, None)).shape == (6, 3)


def test_ngrams_of_ordered_classes_weigh_a_review_by_its_place():
    ordered = NgramLogOdds(1, 16, CumulativeLogits(3))
    ordered.count(letter_reviews("a", "b", "c"), np.array([0, 1, 2], np.int8))
    a, b, c = (
        ordered.ratio[ordered.features(*pad([review], None))[0][0, 0]].item() for review in letter_reviews(*"abc")
    )
    assert a < b < c
    assert b == pytest.approx(0, abs=1e-6)


def test_many_classes_share_the_weights_of_the_ngrams():
    assert NgramLogOdds(2, 21).buckets == 2**21
    assert NgramLogOdds(2, 24).buckets == 2**24
    assert NgramLogOdds(2, 21, Softmax(4)).buckets == 2**21
    assert NgramLogOdds(2, 21, Softmax(20)).weight.numel() <= MAX_WEIGHTS


def test_a_network_of_two_classes_answers_with_the_probability_of_the_second():
    network = BagOfWords(60, 4).eval()
    x = random_ids(3, 5)
    torch.testing.assert_close(network(x)[0], torch.sigmoid(network.logits(x)[0][:, 0]))


def test_outputs_out_of_order_give_probabilities_too():
    outputs = torch.tensor([[-3.0, 2.0, 1.0]])
    torch.testing.assert_close(CumulativeLogits(4).probabilities(outputs).sum(1), torch.ones(1))


def test_untrained_ngrams_know_the_shares_of_the_classes():
    wide = NgramLogOdds(orders=1, bits=8, likelihood=Softmax(3))
    wide.count(letter_reviews(*"a" * 20), np.array([0] * 18 + [1, 2], np.int8))
    torch.testing.assert_close(wide.bias.softmax(0), torch.tensor([0.9, 0.05, 0.05]))
