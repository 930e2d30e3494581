"""Schema of conf/model/: the networks."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.section import Fraction, Section, Size
from pipeline.runtime.errors import PipelineError


class NegationConfig(Section):
    """`pipeline.networks.negation.NegationScope`."""

    words: list[str] = Field(min_length=1, max_length=1000)
    """Negation words, in the language of the reviews."""
    ends: list[str] = Field(max_length=1000)
    """Words and punctuation that end the scope of a negation."""


class WideConfig(Section):
    """`pipeline.networks.ngrams.NgramLogOdds`."""

    orders: int = Field(ge=1, le=5)
    """Maximum length of an n-gram, in words."""
    bits: int = Field(ge=10, le=24)
    """Number of hash buckets for the n-grams, as a power of two: 21 means 2**21."""
    negation: NegationConfig | None = None  # as `region_dropout` below
    """Negation scope: words between a negation and the end of its clause count as different words; null: they do
    not."""


Pooling = Literal["last", "mean", "max"]


class SentimentRNNConfig(Section):
    """`pipeline.networks.sentiment_rnn.SentimentRNN`."""

    network: Literal["sentiment_rnn"]
    """Class of the network, fixed by the chosen file; it decides which other keys there are."""
    output_size: Literal[1] | None
    """Number of outputs: 1, the log-odds of a positive review, as in the article; null: as the classes require."""
    embedding_dim: Size
    """Dimension of the word vectors."""
    hidden_dim: Size
    """Units of each recurrent layer, in each direction."""
    n_layers: int = Field(ge=1, le=64)
    """Number of stacked recurrent layers."""
    drop_prob: Fraction
    """Dropout between recurrent layers: share of the units."""
    cell: Literal["lstm", "gru", "rnn"]
    """Recurrent cell."""
    bidirectional: bool
    """Also read each review backwards, with a second set of recurrent layers."""
    pooling: list[Pooling] = Field(min_length=1)
    """Pooling of the hidden states of all steps into one vector; several poolings are concatenated."""
    word_dropout: Fraction
    """Word dropout: share of the words replaced by the unknown token in training."""
    embedding_dropout: Fraction
    """Variational dropout on word vectors: share of their entries, the same ones throughout a review."""
    region_dropout: Fraction = 0.0  # models trained before it was there have none
    """Variational dropout on the region vectors that pretraining=two_view adds: share of their entries."""
    output_dropout: Fraction
    """Dropout before the output layer: share of the units."""
    initialisation: Literal["torch", "orthogonal"]
    """Initial weights: PyTorch's own, or orthogonal recurrent weights with an open forget gate."""
    fixed_length: Size | None
    """Fixed input length in tokens, as in the article: reviews are left-padded or cut; null: any, padding masked."""
    max_length: Size | None = None  # as `region_dropout` above
    """Maximum number of tokens that the network reads of a review: of a longer one, half from its beginning and half
    from its end; n-grams read all of it; null: all."""
    wide: WideConfig | None
    """N-grams with naive Bayes weights, joined to the network and trained with it; null: none."""

    @model_validator(mode="after")
    def _wide_path_tells_words_from_padding(self) -> "SentimentRNNConfig":
        if self.wide is not None and self.fixed_length is not None:
            raise ValueError("model.wide goes with fixed_length null: n-grams must not count padding")
        return self

    @model_validator(mode="after")
    def _one_limit_of_length(self) -> "SentimentRNNConfig":
        if self.max_length is not None and self.fixed_length is not None:
            raise ValueError("model.max_length goes with fixed_length null: with it, all inputs have one length")
        return self

    @model_validator(mode="after")
    def _pooling_names_differ(self) -> "SentimentRNNConfig":
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("model.pooling names a pooling twice")
        return self


class BagOfWordsConfig(Section):
    """`pipeline.networks.bag_of_words.BagOfWords`, a network without memory."""

    network: Literal["bag_of_words"]
    """Class of the network, fixed by the chosen file; it decides which other keys there are."""
    embedding_dim: Size
    """Dimension of the word vectors."""
    word_dropout: Fraction
    """Word dropout: share of the words replaced by the unknown token in training."""
    output_dropout: Fraction
    """Dropout before the output layer: share of the units."""
    max_length: Size | None = None  # models trained before it was there have none
    """Maximum number of tokens that the network reads of a review: of a longer one, half from its beginning and half
    from its end; null: all."""


Model = SentimentRNNConfig | BagOfWordsConfig


def require_embedding_dim(model: Model, dimension: int) -> None:
    """Refuse a network that cannot start from word vectors of that dimension.

    Raises:
        PipelineError: `model.embedding_dim` is another.
    """
    if model.embedding_dim != dimension:
        raise PipelineError(
            f"model.embedding_dim: is {model.embedding_dim}, but text.vectors has {dimension} numbers for each word; "
            f"set model.embedding_dim={dimension}"
        )
