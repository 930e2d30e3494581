"""Schema of conf/pretraining/: the training before the one on labels."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.optimizer import OptimizerConfig
from pipeline.config.section import Count, Fraction, Section, Seed, Size


class NoPretraining(Section):
    """Start from random weights."""

    method: Literal["none"]
    """Method of pre-training, fixed by the chosen file; it decides which other keys there are."""


class LanguageModelConfig(OptimizerConfig):
    """`pipeline.networks.language_model.LanguageModel`: predict each next word of the reviews, unlabelled ones too."""

    method: Literal["language_model"]
    """Method of pre-training, fixed by the chosen file; it decides which other keys there are."""
    seed: Seed
    """Seed of pre-training."""
    embedding_dim: Size
    """Numbers in a word vector: those of the model."""
    hidden_dim: Size
    """Units of each recurrent layer: those of the model."""
    n_layers: int = Field(ge=1, le=64)
    """Recurrent layers: those of the model."""
    cell: Literal["lstm", "gru", "rnn"]
    """Recurrent cell: that of the model."""
    bidirectional: bool
    """Also predict each previous word, with recurrent layers of their own: as the model reads."""
    embedding_dropout: Fraction
    """Dropout on word vectors: share of their entries."""
    output_dropout: Fraction
    """Dropout before the softmax: share of the units."""
    cutoffs: list[Count] = Field(min_length=1)
    """Word ranks, most frequent first, that divide the vocabulary into the clusters of the adaptive softmax; those
    beyond the vocabulary are left out."""
    parts: int = Field(ge=1, le=100_000)
    """Parts of an epoch: the network is validated, and can be resumed, after each."""

    @model_validator(mode="after")
    def _cutoffs_rise(self) -> "LanguageModelConfig":
        if sorted(set(self.cutoffs)) != self.cutoffs:
            raise ValueError("pretraining.cutoffs must rise")
        return self


Pretraining = NoPretraining | LanguageModelConfig
