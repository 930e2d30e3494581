"""Build a network from its configuration; functions that work on every network."""

from torch import Tensor

from pipeline.config.model import BagOfWordsConfig, Model, SentimentRNNConfig
from pipeline.config.pretraining import NO_PRETRAINING, PretrainingConfig
from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.likelihood import LOGISTIC, Likelihood
from pipeline.networks.negation import NegationScope
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.regions import RegionVectors
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep

Network = SentimentRNN | WideAndDeep | BagOfWords


def build_network(
    config: Model, vocab_size: int, likelihood: Likelihood = LOGISTIC, pretraining: PretrainingConfig = NO_PRETRAINING
) -> Network:
    """Build the network that the configuration describes, with random initial weights.

    Args:
        config: the network.
        vocab_size: number of token ids.
        likelihood: meaning of the outputs; by default that of two classes.
        pretraining: where it learns region vectors, the network has them, still empty.

    Raises:
        PipelineError: the network is the article's, which has one output, and there are more than two classes.
    """
    if isinstance(config, BagOfWordsConfig):
        return BagOfWords(
            vocab_size,
            config.embedding_dim,
            word_dropout=config.word_dropout,
            output_dropout=config.output_dropout,
            likelihood=likelihood,
            max_length=config.max_length,
        )
    regions = None
    if (two_view := pretraining.two_view) is not None:
        regions = RegionVectors(vocab_size, two_view.size, two_view.orders, two_view.dimension)
    deep = SentimentRNN(
        vocab_size,
        config.output_size or likelihood.columns,
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
        likelihood=likelihood,
        regions=regions,
        region_dropout=config.region_dropout,
        max_length=config.max_length,
    )
    if config.wide is None:
        return deep
    negation = config.wide.negation
    scope = None if negation is None else NegationScope(vocab_size, len(negation.words), len(negation.ends))
    return WideAndDeep(deep, NgramLogOdds(config.wide.orders, config.wide.bits, likelihood, scope))


def parameter_lower_bound(config: Model, vocab_size: int) -> int:
    """Return a lower bound of the number of weights.

    The small factors for gates and directions are left out.
    """
    words = vocab_size * config.embedding_dim
    if isinstance(config, BagOfWordsConfig):
        return words
    return words + config.hidden_dim * (config.embedding_dim + config.n_layers * config.hidden_dim)


def deep_path(network: Network) -> SentimentRNN | BagOfWords:
    """Return the network without its wide path, if it has one."""
    return network.deep if isinstance(network, WideAndDeep) else network


def path_logits(network: Network, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the outputs [batch, outputs, paths] that each path of a network gives to token ids x [batch, time].

    Every network but `WideAndDeep` has one path.
    """
    if isinstance(network, WideAndDeep):
        return network.paths(x, None, lengths)[0]
    return network.logits(x, None, lengths)[0].float()[:, :, None]


def join_paths(network: Network, paths: Tensor) -> Tensor:
    """Return the outputs [batch, outputs] of a network, given the outputs of its paths from `path_logits`."""
    return network.join(paths) if isinstance(network, WideAndDeep) else paths[:, :, 0]


def path_names(config: Model) -> tuple[str, ...]:
    """Return a name for each of the paths that a network joins, in their order; none for a network of one path."""
    if isinstance(config, SentimentRNNConfig) and config.wide is not None:
        return config.cell, "ngrams"
    return ()


def fixed_length(config: Model) -> int | None:
    """Return the length in tokens that all inputs of a network have; None for a network that reads any length."""
    return config.fixed_length if isinstance(config, SentimentRNNConfig) else None
