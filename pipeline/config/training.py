"""Schema of conf/training/: the training on labelled reviews."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.optimizer import OptimizerConfig
from pipeline.config.section import MAPPING, Rate, Weight
from pipeline.runtime.errors import PipelineError

ClassWeights = Annotated[dict[str, Annotated[float, Field(gt=0, le=1e6)]], MAPPING]


class TrainingConfig(OptimizerConfig):
    """Training on labelled reviews."""

    epochs: int | None = Field(ge=1, le=100_000)
    """Passes over the training data; null: as many as make 600 optimizer steps, but at least 3 and at most 20."""
    auxiliary_weight: Weight
    """Weight of auxiliary texts (corpus.auxiliary) in the loss; 0 leaves them out."""
    counterfactual_weight: Weight
    """Weight of counterfactual sentences in the loss: short English sentences of the training texts, negated or
    reversed by rules. Not generated for few texts (docs/small-data.md) or for classes other than negative and positive;
    0 disables them."""
    class_weights: Literal["balanced"] | ClassWeights | None
    """Weight of each class in the loss, such as {spam: 5}, with 1 for the others; balanced: the inverse of its share of
    the training split; null: 1 each. Auxiliary texts are weighted by auxiliary_weight alone."""
    wide_lr: Rate
    """Peak learning rate of the n-gram weights: each n-gram occurs in few reviews, and its weight must move far when it
    does. For few training texts (docs/small-data.md) they are fitted by regression instead."""
    ema_decay: float | None = Field(gt=0, lt=1)
    """Exponential moving average (EMA) of the weights, validated and kept: decay per step; null: none."""
    patience: int | None = Field(ge=1, le=100_000)
    """Early stopping: number of epochs without an improvement of the calibrated validation loss; null: never."""
    adversarial_weight: Weight
    """Weight of the adversarial loss (Miyato et al. 2017); 0 disables it."""
    virtual_weight: Weight
    """Weight of the virtual adversarial loss, which needs no labels and reads unlabelled reviews too; 0 disables it."""
    perturbation_norm: float = Field(gt=0, le=1e6)
    """Norm of the adversarial perturbation of a whole review, in standard deviations of the word vectors."""
    folds: int | None = Field(ge=2, le=100)
    """Cross-validation: number of folds of the training and validation reviews together, for sweep=kfold; null:
    none."""
    fold: int = Field(ge=1, le=100)
    """Fold to validate on, counted from 1; the others are trained on. Without training.folds it stays 1."""

    @model_validator(mode="after")
    def _fold_is_one_of_the_folds(self) -> "TrainingConfig":
        if self.folds is None and self.fold > 1:
            raise ValueError(f"training.fold is {self.fold}, but training.folds is null; set training.folds, too")
        if self.folds is not None and self.fold > self.folds:
            raise ValueError(f"training.fold is {self.fold}, of {self.folds} folds; choose one from 1 to {self.folds}")
        return self


def require_no_fold(config: TrainingConfig) -> None:
    """Refuse a fold outside of trials: its model, trained on other reviews than the splits say, must not be registered.

    Raises:
        PipelineError: the configuration has folds.
    """
    if config.folds is not None:
        raise PipelineError(
            "training.folds: only trials train on folds, with `python -m pipeline.train -m sweep=kfold`; for the "
            "pipeline set training.folds=null"
        )
