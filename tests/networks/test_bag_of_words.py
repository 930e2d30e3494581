"""`BagOfWords`, beside a network that knows the order of words."""

import torch
from torch import nn

from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.sentiment_rnn import SentimentRNN
from tests.support.networks import random_ids


def test_order_of_words_matters_to_a_recurrent_network_and_not_to_a_bag_of_words():
    torch.manual_seed(3)
    x = random_ids(4, 9)
    turned = x.flip(1)
    recurrent, bag = SentimentRNN(50, 1, 10, 8, 1).eval(), BagOfWords(50, 10).eval()
    assert (recurrent(x)[0] - recurrent(turned)[0]).abs().max() > 1e-4
    torch.testing.assert_close(bag(x)[0], bag(turned)[0])


def test_bag_of_words_ignores_padding():
    torch.manual_seed(3)
    bag = BagOfWords(50, 10).eval()
    x = random_ids(2, 6)
    padded = nn.functional.pad(x, (0, 5))
    torch.testing.assert_close(bag(padded, lengths=torch.tensor([6, 6]))[0], bag(x)[0])
