"""How a network is pre-trained and trained, and on what."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.section import Count, Fraction, Rate, Section, Seed, Size, Weight


class OptimizerConfig(Section):
    """Optimizer, schedule and length of a training."""

    epochs: int = Field(ge=1, le=100_000)
    batch_size: Size
    lr: Rate
    """Peak learning rate of AdamW."""
    beta2: float = Field(ge=0, lt=1)
    """How slowly AdamW forgets the size of past gradients."""
    weight_decay: Weight
    schedule: Literal["constant", "linear", "cosine"]
    """How the learning rate falls after the warm-up."""
    warmup: Fraction
    """Share of all steps in which the learning rate rises from 0."""
    gradient_clip: float | None = Field(gt=0, le=1e9)
    """Largest gradient norm."""
    max_reviews: int | None = Field(ge=2, lt=2**31)
    """Use only so many reviews, for trials: of a split, half of each label; of the text to pre-train on, the first."""


class TrainingConfig(OptimizerConfig):
    """Training on labelled reviews."""

    wide_lr: Rate
    """Peak learning rate of the n-grams' weights: each is seen in few reviews and must move far when it is."""
    ema_decay: float | None = Field(gt=0, lt=1)
    """Decay per step of the exponential moving average of the weights that is validated and kept; null: none."""
    patience: int | None = Field(ge=1, le=100_000)
    """Epochs without a better calibrated validation loss before training stops; null: never stop early."""
    adversarial_weight: Weight
    """Weight of the loss on reviews changed so that it is as large as it can be; 0: none."""
    virtual_weight: Weight
    """Weight of how far answers move on reviews changed so that they move most, unlabelled ones too; 0: none."""
    perturbation_norm: float = Field(gt=0, le=1e6)
    """Norm of that change over a whole review, in standard deviations of the word vectors."""


class NoPretraining(Section):
    """Start from random weights."""

    method: Literal["none"]


class LanguageModelConfig(OptimizerConfig):
    """`pipeline.networks.language_model.LanguageModel`: predict each next word of the reviews, unlabelled ones too."""

    method: Literal["language_model"]
    seed: Seed
    embedding_dim: Size
    hidden_dim: Size
    n_layers: int = Field(ge=1, le=64)
    cell: Literal["lstm", "gru", "rnn"]
    bidirectional: bool
    embedding_dropout: Fraction
    output_dropout: Fraction
    cutoffs: list[Count] = Field(min_length=1)
    """Ranks at which the words, most frequent first, are divided into the clusters of the adaptive softmax; those
    beyond the vocabulary are left out."""
    parts: int = Field(ge=1, le=100_000)
    """Each epoch is validated, and can be resumed, in so many parts."""

    @model_validator(mode="after")
    def _cutoffs_rise(self) -> "LanguageModelConfig":
        if sorted(set(self.cutoffs)) != self.cutoffs:
            raise ValueError("pretraining.cutoffs must rise")
        return self


Pretraining = NoPretraining | LanguageModelConfig


class PseudoLabelsConfig(Section):
    """Self-training (Lee 2013): the network is also trained on unlabelled reviews, with labels a teacher gave them.

    The teacher is a network of the same `model` and `pretraining`, trained on the labelled reviews.
    """

    teacher: TrainingConfig | None
    """How the teacher is trained; null: no pseudo-labels."""
    seed: Seed
    """Of the teacher."""
    confidence: float = Field(ge=0.5, lt=1)
    """Smallest probability of a label for the review to be trained on."""


class TrainerConfig(Section):
    """What the training runs on."""

    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["auto", "32-true", "bf16-mixed"]
    """`auto` is bf16-mixed where the processor or GPU computes in it, else 32-true."""
    threads: int | None = Field(ge=1, le=1024)
    """Torch threads of each process; null leaves torch's own choice, every core, divided among the processes."""
    processes: int = Field(ge=1, le=1024)
    """Processes that divide each batch among them, each with a GPU of its own where there are GPUs."""
