"""From configuration to network."""

from torch import Tensor

from pipeline.config import BagOfWordsConfig, Model, SentimentRNNConfig
from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep

Network = SentimentRNN | WideAndDeep | BagOfWords


def build_network(config: Model, vocab_size: int) -> Network:
    """The network the configuration describes, with fresh random weights."""
    if isinstance(config, BagOfWordsConfig):
        return BagOfWords(
            vocab_size,
            config.embedding_dim,
            word_dropout=config.word_dropout,
            output_dropout=config.output_dropout,
        )
    deep = SentimentRNN(
        vocab_size,
        config.output_size,
        config.embedding_dim,
        config.hidden_dim,
        config.n_layers,
        config.drop_prob,
        cell=config.cell,
        bidirectional=config.bidirectional,
        pooling=config.pooling,
        word_dropout=config.word_dropout,
        embedding_dropout=config.embedding_dropout,
        output_dropout=config.output_dropout,
        initialisation=config.initialisation,
    )
    return deep if config.wide is None else WideAndDeep(deep, NgramLogOdds(config.wide.orders, config.wide.bits))


def least_weights(config: Model, vocab_size: int) -> int:
    """A lower bound of the number of weights, which is off by no more than a small factor: gates, directions."""
    words = vocab_size * config.embedding_dim
    if isinstance(config, BagOfWordsConfig):
        return words
    return words + config.hidden_dim * (config.embedding_dim + config.n_layers * config.hidden_dim)


def deep_part(network: Network) -> SentimentRNN | BagOfWords:
    """The network without its wide path, if it has one."""
    return network.deep if isinstance(network, WideAndDeep) else network


def path_logits(network: Network, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Log-odds [batch, paths] of token ids x [batch, time] by each path of the network; most have one."""
    if isinstance(network, WideAndDeep):
        return network.paths(x, None, lengths)[0]
    return network.logits(x, None, lengths)[0].float()[:, None]


def fixed_length(config: Model) -> int | None:
    """The one length of all inputs, for a network that knows no other; None where any length will do."""
    return config.fixed_length if isinstance(config, SentimentRNNConfig) else None
