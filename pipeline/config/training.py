"""How a network is trained, and on what."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Fraction, Section


class TrainingConfig(Section):
    """Optimiser, schedule and length of a training."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0)
    """Peak learning rate of AdamW."""
    beta2: float = Field(ge=0, lt=1)
    """How slowly AdamW forgets the size of past gradients."""
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "linear", "cosine"]
    """How the learning rate falls after the warm-up."""
    warmup: Fraction
    """Share of all steps in which the learning rate rises from 0."""
    gradient_clip: float | None = Field(gt=0)
    """Largest gradient norm."""
    ema_decay: float | None = Field(gt=0, lt=1)
    """Decay per step of the exponential moving average of the weights that is validated and kept; null: none."""
    patience: int | None = Field(ge=1)
    """Epochs without a better calibrated validation loss before training stops; null: never stop early."""
    max_reviews: int | None = Field(ge=2)
    """Use only so many reviews of a split (half of each label), for trials; null: all."""


class TrainerConfig(Section):
    """What the training runs on."""

    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["auto", "32-true", "bf16-mixed"]
    """`auto` is bf16-mixed where the processor or GPU computes in it, else 32-true."""
    threads: int | None = Field(ge=1)
    """Torch threads; null leaves torch's own choice, every core."""
