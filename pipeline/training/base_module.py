"""What training a classifier and training a language model have in common."""

import math
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.config import OptimiserConfig
from pipeline.training import distributed
from pipeline.training.optimizer import build_optimiser


class Learner(pl.LightningModule):
    """AdamW, clipped gradients, randomness by step; `losses` is the subclass's.

    Where several processes divide a batch, `weight` of a batch is how much this one's mean counts in the mean of all.

    Logs `train/loss`, `train/lr` and `train/grad_norm` by step.

    Args:
        network: to be trained.
        config: how.
        seed: of all that is random.
    """

    def __init__(self, network: nn.Module, config: OptimiserConfig, seed: int) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.seed = seed

    def losses(self, batch: Any) -> tuple[Tensor, Tensor]:
        """What is minimised on a training batch, and the part of it to be shown: what `val/loss` is on validation."""
        raise NotImplementedError

    def training_step(self, batch: Any, _index: int) -> dict[str, Tensor]:
        """The loss of a batch, to be minimised, and as `shown` what its learning curve shows."""
        # seeded by step, so that a resumed training drops out what an unbroken one would; other things in each process
        state = np.random.SeedSequence([self.seed, self.global_step, distributed.rank()]).generate_state(1)
        torch.manual_seed(int(state[0]))
        loss, shown = self.losses(batch)
        self.log_mean("train/loss", shown, batch, prog_bar=True)
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return {"loss": loss * batch.weight, "shown": shown.detach()}

    def log_mean(self, name: str, value: Tensor, batch: Any, **options: Any) -> None:
        """Log what is a mean over this process's share of a batch as the mean over the whole batch."""
        self.log(name, value.detach() * batch.weight, sync_dist=True, **options)

    def configure_gradient_clipping(self, _optimizer: Optimizer, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """Clip the gradient's norm to `gradient_clip` and log what it was before."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip or math.inf)
        self.log("train/grad_norm", norm)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained, for `build_optimiser`."""
        return [{"params": list(self.parameters())}]

    def configure_optimizers(self) -> Any:
        """See `build_optimiser`."""
        return build_optimiser(self.parameter_groups(), self.config, int(self.trainer.estimated_stepping_batches))
