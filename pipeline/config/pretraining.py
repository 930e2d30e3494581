"""Schema of conf/pretraining/: the training before the one on labels."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.optimizer import OptimizerConfig
from pipeline.config.section import Count, Fraction, Rate, Section, Seed, Size


class LanguageModelConfig(OptimizerConfig):
    """`pipeline.networks.language_model.LanguageModel`: predict each next word of the reviews, unlabelled ones too."""

    seed: Seed
    """Seed of pre-training."""
    epochs: int = Field(ge=1, le=100_000)
    """Passes over the training data."""
    embedding_dim: Size
    """Dimension of the word vectors; must equal the model's."""
    hidden_dim: Size
    """Units of each recurrent layer; must equal the model's."""
    n_layers: int = Field(ge=1, le=64)
    """Number of recurrent layers; must equal the model's."""
    cell: Literal["lstm", "gru", "rnn"]
    """Recurrent cell; must equal the model's."""
    bidirectional: bool
    """Also predict each previous word, with a second set of recurrent layers; must equal the model's."""
    max_length: int | None = Field(default=None, ge=2, le=65_536)  # models trained before it was there have none
    """Maximum number of tokens to read of a review, as in the model; null: all."""
    embedding_dropout: Fraction
    """Dropout on word vectors: share of their entries."""
    output_dropout: Fraction
    """Dropout before the softmax: share of the units."""
    cutoffs: list[Count] = Field(min_length=1)
    """Word ranks, most frequent first, that divide the vocabulary into the clusters of the adaptive softmax; ranks
    beyond the vocabulary are ignored."""
    validations_per_epoch: int = Field(ge=1, le=100_000)
    """Validations of the network per epoch, which is divided into as many parts."""

    @model_validator(mode="after")
    def _cutoffs_rise(self) -> "LanguageModelConfig":
        if sorted(set(self.cutoffs)) != self.cutoffs:
            raise ValueError("pretraining.language_model.cutoffs must be in ascending order")
        return self


class TwoViewConfig(Section):
    """`pipeline.networks.two_view.TwoView`: predict the words around each region of all reviews, unlabelled too."""

    seed: Seed
    """Seed of pre-training."""
    dimension: Size
    """Dimension of the region vectors."""
    size: int = Field(ge=1, le=21)
    """Number of words in a region; odd."""
    orders: int = Field(ge=1, le=3)
    """Maximum length of an n-gram, in words."""
    min_count: Count
    """Minimum count of an n-gram of two or more words that has a vector."""
    max_ngrams: int = Field(ge=0, le=2**24)
    """Maximum number of n-grams of two or more words that have a vector: the most frequent ones."""
    distance: int = Field(ge=1, le=100)
    """Number of words to predict on either side of a region."""
    excluded_words: int = Field(ge=0, le=100_000)
    """Number of words that are not predicted, the most frequent ones: function words and punctuation; at most half of
    the vocabulary."""
    negative_samples: Size
    """Negative samples per step: words that stand for all those that do not surround a region."""
    epochs: int = Field(ge=1, le=1000)
    """Passes over all positions of the reviews."""
    validations_per_epoch: int = Field(ge=1, le=100_000)
    """Validations of the vectors per epoch, which is divided into as many parts."""
    batch_size: Size
    """Regions per optimizer step."""
    lr: Rate
    """Initial learning rate of Adagrad; it decays linearly to 0."""
    max_reviews: int | None = Field(ge=2, lt=2**31)
    """Maximum number of reviews used from each split, for a quick try; null: all."""

    @model_validator(mode="after")
    def _region_has_a_middle(self) -> "TwoViewConfig":
        if self.size % 2 == 0 or self.orders > self.size:
            raise ValueError("pretraining.two_view.size must be odd, and at least pretraining.two_view.orders")
        return self


class PretrainingConfig(Section):
    """Training before the one on labels, by one method, by both or by none: a network has room for both."""

    two_view: TwoViewConfig | None
    """Region vectors, which the recurrent layers read in addition to the word vectors; null: none."""
    language_model: LanguageModelConfig | None
    """Language model whose embedding and recurrent layers initialise the network; null: random initialisation."""

    @property
    def methods(self) -> dict[str, TwoViewConfig | LanguageModelConfig]:
        """The chosen methods by name, in the order in which they are trained."""
        chosen = {"two_view": self.two_view, "language_model": self.language_model}
        return {name: config for name, config in chosen.items() if config is not None}


NO_PRETRAINING = PretrainingConfig(two_view=None, language_model=None)
