"""Base of the Lightning modules that train the classifier and the language model."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.config.optimizer import OptimizerConfig
from pipeline.training import distributed
from pipeline.training.hardware import seed_generators
from pipeline.training.optimizer import build_optimizer


class TrainingLoss(NamedTuple):
    """Loss of a batch, as it is minimised and as it is shown."""

    minimised: Tensor
    """Sum of all terms, whose gradient the optimizer follows."""
    shown: Tensor
    """Part of it that the learning curve compares with `val/loss`."""


class BaseModule(pl.LightningModule):
    """Trains with AdamW, gradient clipping and a random seed for each step; a subclass defines `training_loss`.

    Where several processes share a batch, the `weight` of a process's part is the factor of its mean in the mean over
    the whole batch.

    Logs `train/loss`, `train/lr` and `train/grad_norm` by step.

    Args:
        network: the network to train.
        config: optimizer and learning-rate schedule.
        seed: seed of everything random.
    """

    def __init__(self, network: nn.Module, config: OptimizerConfig, seed: int) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.seed = seed

    def training_loss(self, batch: Any) -> TrainingLoss:
        """Compute the loss of a batch."""
        raise NotImplementedError

    def training_step(self, batch: Any, index: int) -> dict[str, Tensor]:
        """Return the loss of a batch and, as `shown`, the value for the learning curve."""
        # seeded by step, so that a resumed training drops the same units as an uninterrupted one; and by rank, so that
        # each process drops others
        entropy = [self.seed, self.global_step, distributed.rank()]
        if part := index % self.trainer.accumulate_grad_batches:  # a further batch of the same step
            entropy.append(part)
        state = np.random.SeedSequence(entropy).generate_state(1)
        seed_generators(self.device, int(state[0]))
        loss = self.training_loss(batch)
        self.log_mean("train/loss", loss.shown, batch, prog_bar=True)
        # made on the device: Lightning would copy a number to a GPU, and wait until that has done all it was given
        self.log("train/lr", torch.full((), self.trainer.optimizers[0].param_groups[0]["lr"], device=self.device))
        return {"loss": loss.minimised * batch.weight, "shown": loss.shown.detach()}

    def log_mean(self, name: str, value: Tensor, batch: Any, **options: Any) -> None:
        """Log the mean over this process's part of a batch as the mean over the whole batch."""
        self.log(name, value.detach() * batch.weight, sync_dist=True, **options)

    def configure_gradient_clipping(self, _optimizer: Optimizer, *_: Any, **__: Any) -> None:  # type: ignore[override]  # a hook
        """Clip the norm of the gradient to `gradient_clip`, and log the norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip or math.inf)
        self.log("train/grad_norm", norm)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups for `build_optimizer`."""
        return [{"params": list(self.parameters())}]

    def configure_optimizers(self) -> Any:
        """Build the optimizer and its schedule with `build_optimizer`."""
        return build_optimizer(self.parameter_groups(), self.config, int(self.trainer.estimated_stepping_batches))
