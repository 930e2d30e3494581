"""Keys that every training has, shared by the schemas of conf/training/ and conf/pretraining/."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Fraction, Rate, Section, Size, Weight


class OptimizerConfig(Section):
    """Optimizer, learning-rate schedule and data of a training."""

    batch_size: Size
    """Reviews per batch."""
    accumulate_grad_batches: int = Field(ge=1, le=10_000)
    """Batches per optimizer step, whose gradients are averaged: for large steps on a small GPU."""
    lr: Rate
    """Peak learning rate of AdamW."""
    beta2: float = Field(ge=0, lt=1)
    """AdamW's beta2: decay per step of the running mean of squared gradients."""
    weight_decay: Weight
    """Weight decay of AdamW."""
    schedule: Literal["constant", "linear", "cosine"]
    """Learning-rate schedule after the warm-up."""
    warmup: Fraction
    """Warm-up: share of all steps in which the learning rate rises from 0."""
    gradient_clip: float | None = Field(gt=0, le=1e9)
    """Gradient clipping: maximum norm of the gradient; null: none."""
    max_reviews: int | None = Field(ge=2, lt=2**31)
    """Maximum number of reviews used from each split, for a quick try: equally many of each class, or in pre-training
    the first ones; null: all."""
