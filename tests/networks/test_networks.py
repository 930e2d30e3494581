import math

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.config import SentimentRNNConfig
from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.build import build_network
from pipeline.networks.language_model import AdaptiveSoftmax, LanguageModel
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.padding import pad
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.training.adversarial import divergence, running_word_scale, steepest
from pipeline.training.initial_weights import start_from


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


def ids(*shape, vocab_size=50):
    return torch.randint(2, vocab_size, shape)


def test_weights_of_the_articles_class_load_and_give_its_answers():
    torch.manual_seed(0)
    article, ours = ArticleNetwork(50, 20, 12, 2).eval(), SentimentRNN(50, 1, 20, 12, 2).eval()
    ours.load_state_dict(article.state_dict())
    x = ids(7, 30)
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
    with pytest.raises(PipelineError, match=r"output_size: must be 1, got 2; .*sigmoid"):
        SentimentRNN(50, 2, 8, 8, 1)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", [["last"], ["mean"], ["max"], ["last", "mean", "max"]])
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
    x = ids(1, 12)
    backward, _ = network.lstm_backward(network.embedding(x.flip(1)))
    forward, _ = network.lstm(network.embedding(x))
    expected = torch.sigmoid(network.fc(torch.cat([forward[:, -1], backward[:, -1]], dim=1))[:, 0])
    torch.testing.assert_close(network(x)[0], expected, atol=1e-6, rtol=0)


def test_order_of_words_matters_to_a_recurrent_network_and_not_to_a_bag_of_words():
    torch.manual_seed(3)
    x = ids(4, 9)
    turned = x.flip(1)
    recurrent, bag = SentimentRNN(50, 1, 10, 8, 1).eval(), BagOfWords(50, 10).eval()
    assert (recurrent(x)[0] - recurrent(turned)[0]).abs().max() > 1e-4
    torch.testing.assert_close(bag(x)[0], bag(turned)[0])


def test_bag_of_words_ignores_padding():
    torch.manual_seed(3)
    bag = BagOfWords(50, 10).eval()
    x = ids(2, 6)
    padded = nn.functional.pad(x, (0, 5))
    torch.testing.assert_close(bag(padded, lengths=torch.tensor([6, 6]))[0], bag(x)[0])


def test_word_dropout_replaces_whole_words_in_training_alone():
    torch.manual_seed(4)
    network = SentimentRNN(50, 1, 10, 8, 1, word_dropout=0.999, output_dropout=0.0)
    unknown = torch.ones(1, 20, dtype=torch.long)
    torch.testing.assert_close(network(ids(1, 20))[0], network(unknown)[0], atol=1e-3, rtol=0)
    network.eval()
    assert (network(ids(1, 20))[0] - network(unknown)[0]).abs() > 1e-3


@pytest.mark.parametrize("path", sorted((WORKSPACE / "conf" / "model").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_config_learns(path, compose):
    config = compose(f"model={path.stem}").model
    if isinstance(config, SentimentRNNConfig):
        config = config.model_copy(update={"embedding_dim": 12, "hidden_dim": 8})
    torch.manual_seed(5)
    network = build_network(config, vocab_size=50)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    x, y = ids(16, 6), torch.tensor([0.0, 1.0] * 8)
    x[y == 1, 2], x[y == 0, 2] = 5, 6
    losses = []
    for _ in range(40):
        loss = nn.functional.binary_cross_entropy_with_logits(network.logits(x)[0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_padding_on_the_left_to_a_fixed_length():
    x, lengths = pad([np.array([5, 6, 7], np.int32), np.arange(2, 9, dtype=np.int32)], fixed_length=5)
    assert lengths is None
    assert x.tolist() == [[0, 0, 5, 6, 7], [2, 3, 4, 5, 6]]


def ngram_reviews(*texts):
    """Token ids of texts: a word's id is its place in the alphabet, from 2."""
    return [np.array([ord(word) - ord("a") + 2 for word in text.split()], np.int32) for text in texts]


def test_ngrams_count_once_each_and_padding_never():
    wide = NgramLogOdds(orders=2, bits=16)
    ids, lengths = pad(ngram_reviews("a b a b", "a", "b a c"), None)
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
    reviews = ngram_reviews("a b c d e f", "a", "c b")
    together = wide(*pad(reviews, None))
    for review, expected in zip(reviews, together, strict=True):
        torch.testing.assert_close(wide(*pad([review], None))[0], expected)


def test_ngram_ratios_are_those_of_naive_bayes():
    wide = NgramLogOdds(orders=1, bits=16)
    wide.count(ngram_reviews("a b", "a a c", "b c", "c"), np.array([1, 1, 0, 0], np.int8))
    a, b, c = (wide.ratio[wide.features(*pad([review], None))[0][0, 0]].item() for review in ngram_reviews(*"abc"))
    # reviews holding a: 2 positive, 0 negative; b: 1 and 1; c: 1 and 2; one is added to each of all buckets
    positive, negative = 2**16 + 4, 2**16 + 3
    for found, (p, n) in zip((a, b, c), ((2, 0), (1, 1), (1, 2)), strict=True):
        assert found == pytest.approx(math.log((p + 1) / positive) - math.log((n + 1) / negative), abs=1e-6)


def test_the_wide_path_adds_its_log_odds_to_the_networks(compose):
    torch.manual_seed(0)
    small = ("model.embedding_dim=8", "model.hidden_dim=8", "model.wide.bits=12")
    network = build_network(compose(*small).model, vocab_size=30).eval()
    network.wide.ratio.normal_()
    nn.init.normal_(network.wide.weight)
    ids, lengths = pad(ngram_reviews("a b c d", "e f"), None)
    deep, _ = network.deep.logits(ids, None, lengths)
    logits, _ = network.logits(ids, None, lengths)
    torch.testing.assert_close(logits, deep + network.wide(ids, lengths))
    network.path_weights.copy_(torch.tensor([0.5, 2.0]))
    logits, _ = network.logits(ids, None, lengths)
    torch.testing.assert_close(logits, 0.5 * deep + 2 * network.wide(ids, lengths))
    torch.testing.assert_close(network(ids, None, lengths)[0], torch.sigmoid(logits))


def test_a_perturbation_has_its_norm_and_moves_the_answer_most():
    torch.manual_seed(0)
    network = SentimentRNN(30, 1, 6, 5, 1, bidirectional=True, pooling=("max", "mean")).eval()
    ids, lengths = pad(ngram_reviews("a b c d e", "f g"), None)
    scale = running_word_scale(network.embedding.weight, ids)
    vectors = network.embed(ids)
    logits, _ = network.read(vectors, None, lengths)
    direction = steepest(logits, vectors, scale)
    torch.testing.assert_close((direction / scale).flatten(1).norm(dim=1), torch.ones(2))
    assert not direction[1, 2:].any(), "padding is no input"

    def gain(step):
        return network.read(vectors + 0.01 * step, None, lengths)[0] - logits

    for _ in range(20):
        other = torch.randn_like(direction) * (direction != 0)
        other = other / (other / scale).flatten(1).norm(dim=1)[:, None, None]
        assert (gain(direction) > gain(other)).all()


def test_divergence_is_that_of_the_two_answers():
    p, q = torch.tensor([0.2, 0.9]), torch.tensor([0.5, 0.6])
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    torch.testing.assert_close(divergence(torch.logit(p), torch.logit(q)), expected)
    assert divergence(torch.logit(p), torch.logit(p)).abs() < 1e-6


def language_model(compose, *overrides):
    small = ("model.embedding_dim=8", "model.hidden_dim=16", "pretraining.cutoffs=[5,12]")
    config = compose("pretraining=language_model", *small, *overrides)
    return LanguageModel(30, config.pretraining), config


def test_the_adaptive_softmax_is_a_distribution():
    torch.manual_seed(0)
    softmax = AdaptiveSoftmax(16, 30, [5, 12])
    state = torch.randn(1, 16)
    probabilities = [torch.exp(-softmax(state, torch.tensor([word]))) for word in range(30)]
    assert sum(probabilities).item() == pytest.approx(1, abs=1e-5)
    # the mean is over words that are there
    words = torch.tensor([3, -100, 20])
    expected = sum(softmax(state, words[i : i + 1]) for i in (0, 2)) / 2
    torch.testing.assert_close(softmax(state.expand(3, -1), words), expected)


def test_a_language_model_knows_nothing_of_the_word_it_predicts(compose):
    torch.manual_seed(0)
    model, _ = language_model(compose)
    model.eval()
    ids, _ = pad(ngram_reviews("a b c d e f g"), None)
    vectors = model.reader.embed(ids)
    ahead, _ = model.reader.lstm(vectors)
    changed = vectors.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(model.reader.lstm(changed)[0][:, :4], ahead[:, :4])
    # the padding of a batch changes no loss
    together = model(*pad(ngram_reviews("a b c d e f g", "b c"), None))
    alone = model(*pad(ngram_reviews("a b c d e f g"), None)), model(*pad(ngram_reviews("b c"), None))
    torch.testing.assert_close(together, (6 * alone[0] + alone[1]) / 7)


def test_pretrained_weights_land_in_the_embedding_and_both_directions(compose):
    model, config = language_model(compose)
    weights = {name: value for name, value in model.reader.state_dict().items() if not name.startswith("fc.")}
    network = build_network(config.model, 30)
    last = network.deep.fc.weight.clone()
    start_from(network, weights)
    for name in ("embedding.weight", "lstm.weight_hh_l0", "lstm_backward.weight_ih_l0"):
        assert torch.equal(network.deep.state_dict()[name], weights[name]), name
    assert torch.equal(network.deep.fc.weight, last)


def test_weights_of_another_network_are_refused(compose):
    model, _ = language_model(compose)
    weights = {name: value for name, value in model.reader.state_dict().items() if not name.startswith("fc.")}
    for other in ("model.hidden_dim=8", "model.bidirectional=false", "model.n_layers=2"):
        network = build_network(compose("model.embedding_dim=8", "model.hidden_dim=16", other).model, 30)
        with pytest.raises(PipelineError, match="do not fit the model's size"):
            start_from(network, weights)
    with pytest.raises(PipelineError, match="bag_of_words"):
        start_from(build_network(compose("model=bag_of_words").model, 30), weights)
