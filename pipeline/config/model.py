"""The networks."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.section import Fraction, Section, Size
from pipeline.runtime.errors import PipelineError


class WideConfig(Section):
    """`pipeline.networks.ngrams.NgramLogOdds`."""

    orders: int = Field(ge=1, le=5)
    """Longest n-gram, in words."""
    bits: int = Field(ge=10, le=24)
    """N-grams are hashed into 2**bits buckets."""


Pooling = Literal["last", "mean", "max"]


class SentimentRNNConfig(Section):
    """`pipeline.networks.sentiment_rnn.SentimentRNN`."""

    network: Literal["sentiment_rnn"]
    output_size: Literal[1]
    """The log-odds of a positive review: an argument of the article's network that has one value here."""
    embedding_dim: Size
    hidden_dim: Size
    n_layers: int = Field(ge=1, le=64)
    drop_prob: Fraction
    """Dropout between recurrent layers."""
    cell: Literal["lstm", "gru", "rnn"]
    bidirectional: bool
    pooling: list[Pooling] = Field(min_length=1)
    """How the hidden states of all steps become one vector; several are joined."""
    word_dropout: Fraction
    """Share of words replaced by the unknown word in training."""
    embedding_dropout: Fraction
    """Dropout on word vectors, of the same entries throughout a review."""
    output_dropout: Fraction
    initialisation: Literal["torch", "orthogonal"]
    fixed_length: Size | None
    """The article's input: every review left-padded or cut to this many tokens. Null: any length, padding ignored."""

    wide: WideConfig | None
    """N-grams with naive Bayes weights, joined to the network and trained with it; null: none."""

    @model_validator(mode="after")
    def _wide_path_tells_words_from_padding(self) -> "SentimentRNNConfig":
        if self.wide is not None and self.fixed_length is not None:
            raise ValueError("model.wide goes with fixed_length null: n-grams must not count padding")
        return self

    @model_validator(mode="after")
    def _pooling_names_differ(self) -> "SentimentRNNConfig":
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("model.pooling names a pooling twice")
        return self


class BagOfWordsConfig(Section):
    """`pipeline.networks.bag_of_words.BagOfWords`, a network without memory."""

    network: Literal["bag_of_words"]
    embedding_dim: Size
    word_dropout: Fraction
    output_dropout: Fraction


Model = SentimentRNNConfig | BagOfWordsConfig


def require_embedding_dim(model: Model, dimension: int) -> None:
    """Refuse a network that cannot start from word vectors of that many numbers.

    Raises:
        PipelineError: `model.embedding_dim` is another.
    """
    if model.embedding_dim != dimension:
        raise PipelineError(
            f"model.embedding_dim: is {model.embedding_dim}, but text.vectors has {dimension} numbers for each word; "
            f"set model.embedding_dim={dimension}"
        )
