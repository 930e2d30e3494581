"""`SentimentRNN`: the article's network and its options, poolings included."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.config.model import Pooling
from pipeline.networks.build import build_network
from pipeline.networks.padding import pad
from pipeline.networks.pooling import pool
from pipeline.networks.sentiment_rnn import SentimentRNN, reverse
from pipeline.runtime.errors import PipelineError
from tests.support.networks import random_ids

POOLINGS = list(get_args(Pooling))


class ArticleNetwork(nn.Module):
    """The computation the article describes, written down plainly: linear and sigmoid on every step, the last kept."""

    def __init__(self, vocab_size, embedding_dim, hidden_dim, n_layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, n_layers, dropout=0.5, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(hidden_dim, 1)

    def forward(self, x, hidden):
        states, hidden = self.lstm(self.embedding(x), hidden)
        every_step = torch.sigmoid(self.fc(self.dropout(states)))  # [batch, time, 1]
        return every_step[:, -1, 0], hidden


def test_weights_of_the_articles_class_load_and_give_its_answers():
    torch.manual_seed(0)
    article, ours = ArticleNetwork(50, 20, 12, 2).eval(), SentimentRNN(50, 1, 20, 12, 2).eval()
    ours.load_state_dict(article.state_dict())
    x = random_ids(7, 30)
    expected, (h, c) = article(x, ours.init_hidden(7))
    probability, hidden = ours(x, ours.init_hidden(7))
    assert probability.shape == (7,)
    torch.testing.assert_close(probability, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(hidden, (h, c), atol=1e-6, rtol=0)
    # and on from there: the memory is carried over
    torch.testing.assert_close(ours(x, hidden)[0], article(x, (h, c))[0], atol=1e-6, rtol=0)


def test_article_config_is_the_articles_network(compose):
    config = compose("model=article").model
    network = build_network(config, vocab_size=30)
    assert {name: tuple(weight.shape) for name, weight in network.state_dict().items()} == {
        name: tuple(weight.shape) for name, weight in ArticleNetwork(30, 400, 256, 2).state_dict().items()
    }
    assert (network.lstm.dropout, network.dropout.p, network.pooling) == (0.5, 0.3, ("last",))


def test_more_than_one_output_is_refused_with_the_reason():
    with pytest.raises(PipelineError, match=r"output_size: must be 1 for 2 classes, got 2; .*sigmoid"):
        SentimentRNN(50, 2, 8, 8, 1)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", [*([name] for name in POOLINGS), POOLINGS])
def test_padding_and_batch_mates_change_no_answer(cell, bidirectional, pooling):
    torch.manual_seed(1)
    network = SentimentRNN(50, 1, 10, 8, 2, cell=cell, bidirectional=bidirectional, pooling=pooling).eval()
    reviews = [np.random.default_rng(n).integers(2, 50, n).astype(np.int32) for n in (1, 3, 17, 40)]
    x, lengths = pad(reviews, None)
    together, _ = network(x, lengths=lengths)
    much_padding, _ = network(nn.functional.pad(x, (0, 25)), lengths=lengths)
    alone = torch.cat([network(*pad([review], None)[:1], lengths=torch.tensor([len(review)]))[0] for review in reviews])
    unpadded = torch.cat([network(torch.from_numpy(review)[None])[0] for review in reviews])
    for other in (much_padding, alone, unpadded):
        torch.testing.assert_close(together, other, atol=1e-5, rtol=0)


def test_the_backward_direction_reads_from_the_last_word():
    torch.manual_seed(2)
    network = SentimentRNN(50, 1, 10, 8, 1, bidirectional=True).eval()
    x = random_ids(1, 12)
    backward, _ = network.lstm_backward(network.embedding(x.flip(1)))
    forward, _ = network.lstm(network.embedding(x))
    expected = torch.sigmoid(network.fc(torch.cat([forward[:, -1], backward[:, -1]], dim=1))[:, 0])
    torch.testing.assert_close(network(x)[0], expected, atol=1e-6, rtol=0)


def test_each_vector_gets_its_gradient_through_reversal_and_pooling():
    torch.manual_seed(0)
    vectors, lengths = torch.randn(3, 5, 2, dtype=torch.float64, requires_grad=True), torch.tensor([5, 2, 4])

    def pooled(x):
        return pool(reverse(x, lengths), ("last", "mean", "max"), lengths)

    assert torch.autograd.gradcheck(pooled, vectors)
    assert torch.autograd.gradgradcheck(lambda x: pooled(x).square(), vectors)


def test_word_dropout_replaces_whole_words_in_training_alone():
    torch.manual_seed(4)
    network = SentimentRNN(50, 1, 10, 8, 1, word_dropout=0.999, output_dropout=0.0)
    unknown = torch.ones(1, 20, dtype=torch.long)
    torch.testing.assert_close(network(random_ids(1, 20))[0], network(unknown)[0], atol=1e-3, rtol=0)
    network.eval()
    assert (network(random_ids(1, 20))[0] - network(unknown)[0]).abs() > 1e-3
