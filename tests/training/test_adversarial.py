"""Adversarial perturbations."""

import pytest
import torch

from pipeline.networks.likelihood import LOGISTIC, CumulativeLogits, Softmax
from pipeline.networks.padding import pad
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.training.adversarial import Perturbations, kl_divergence, running_word_scale, steepest_direction
from tests.support.networks import letter_reviews


def test_a_perturbation_has_its_norm_and_moves_the_answer_most():
    torch.manual_seed(0)
    network = SentimentRNN(30, 1, 6, 5, 1, bidirectional=True, pooling=("max", "mean")).eval()
    ids, lengths = pad(letter_reviews("a b c d e", "f g"), None)
    scale = running_word_scale(network.embedding.weight, ids)
    vectors = network.embed(ids)
    logits = network.read(vectors, None, lengths)[0][:, 0]
    direction = steepest_direction(logits, vectors, scale)
    torch.testing.assert_close((direction / scale).flatten(1).norm(dim=1), torch.ones(2))
    assert not direction[1, 2:].any(), "padding is no input"

    def gain(step):
        return network.read(vectors + 0.01 * step, None, lengths)[0][:, 0] - logits

    for _ in range(20):
        other = torch.randn_like(direction) * (direction != 0)
        other = other / (other / scale).flatten(1).norm(dim=1)[:, None, None]
        assert (gain(direction) > gain(other)).all()


def test_divergence_is_that_of_the_two_answers():
    p, q = torch.tensor([[0.2], [0.9]]), torch.tensor([[0.5], [0.6]])
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    torch.testing.assert_close(kl_divergence(LOGISTIC, torch.logit(p), torch.logit(q)), expected)
    assert kl_divergence(LOGISTIC, torch.logit(p), torch.logit(p)).abs() < 1e-6
    p, q = torch.tensor([[0.2, 0.3, 0.5]]), torch.tensor([[0.6, 0.3, 0.1]])
    expected = (p * (p / q).log()).sum()
    torch.testing.assert_close(kl_divergence(Softmax(3), p.log(), q.log()), expected)


@pytest.mark.parametrize("likelihood", [LOGISTIC, Softmax(3), CumulativeLogits(3)], ids=lambda one: type(one).__name__)
def test_an_adversarial_perturbation_raises_the_loss_and_a_virtual_one_the_divergence_more_than_noise(likelihood):
    torch.manual_seed(0)
    network = SentimentRNN(30, likelihood.columns, 6, 5, 1, bidirectional=True, likelihood=likelihood).eval()
    ids, lengths = pad(letter_reviews(*["a b c d e", "f g h", "i a", "c d i j k"] * 8), None)
    labels = torch.arange(32) % likelihood.classes
    scale = running_word_scale(network.embedding.weight, ids)
    vectors = network.embed(ids)

    def outputs(step=0):
        return network.read(vectors + 0.1 * step, None, lengths)[0]

    perturbations = Perturbations(likelihood, outputs(), vectors, scale)
    adversarial, virtual = perturbations.adversarial(labels), perturbations.virtual()
    noise = torch.randn_like(vectors) * (adversarial != 0)
    noise = noise / (noise / scale).flatten(1).norm(dim=1)[:, None, None]
    assert likelihood.loss(outputs(adversarial), labels) > likelihood.loss(outputs(noise), labels)
    assert likelihood.loss(outputs(adversarial), labels) > likelihood.loss(outputs(), labels)
    plain = outputs()
    assert kl_divergence(likelihood, plain, outputs(virtual)) > 3 * kl_divergence(likelihood, plain, outputs(noise))
