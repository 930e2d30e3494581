"""The network as Lightning trains it."""

import math
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.config import TrainingConfig
from pipeline.model.build import Network
from pipeline.model.calibration import fit_temperature

Batch = tuple[Tensor, Tensor | None, Tensor]
"""ids [batch, time], lengths [batch] or None, labels [batch]."""


class SentimentModule(pl.LightningModule):
    """Binary cross-entropy on log-odds, AdamW, a schedule by step.

    Logs `train/loss`, `train/accuracy`, `train/lr` and `train/grad_norm` by step, and by epoch `val/accuracy`,
    `val/loss` and `val/calibrated_loss`: the loss after the best temperature, as the model will be used. By that an
    epoch is judged, for more training makes a network surer of itself before it makes it worse.
    """

    def __init__(self, network: Network, config: TrainingConfig, seed: int) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.seed = seed
        self._validation: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of a batch, to be minimised."""
        # seeded by step, so that a resumed training drops out what an unbroken one would
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))
        logits, labels = self._logits(batch), batch[2]
        loss = binary_cross_entropy_with_logits(logits, labels)
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/accuracy", _accuracy(logits, labels))
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Keep the log-odds of a batch until the epoch's end."""
        self._validation.append((self._logits(batch), batch[2]))

    def on_validation_epoch_end(self) -> None:
        """Log what all validation reviews together say."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._validation, strict=True))
        self._validation.clear()
        temperature = fit_temperature(logits.cpu().numpy(), labels.cpu().numpy())
        losses = {
            "val/loss": binary_cross_entropy_with_logits(logits, labels),
            "val/calibrated_loss": binary_cross_entropy_with_logits(logits / temperature, labels),
        }
        self.log_dict({**losses, "val/accuracy": _accuracy(logits, labels)}, prog_bar=True)

    def _logits(self, batch: Batch) -> Tensor:
        ids, lengths, _ = batch
        logits, _ = self.network.logits(ids, None, lengths)
        return logits.float()  # [batch]

    def configure_gradient_clipping(self, _optimizer: Optimizer, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """Clip the gradient's norm to `training.gradient_clip` and log what it was before."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip or math.inf)
        self.log("train/grad_norm", norm)

    def configure_optimizers(self) -> Any:
        """AdamW (Loshchilov & Hutter 2019); without weight decay that is Adam."""
        optimizer = AdamW(
            self.parameters(),
            lr=self.config.lr,
            betas=(0.9, self.config.beta2),
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps, self.config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return ((logits >= 0) == labels).float().mean()


def learning_rate_factor(step: int, steps: int, config: TrainingConfig) -> float:
    """What the peak learning rate is multiplied by at a step (from 0) of `steps`: a linear rise, then the schedule."""
    warmup = round(config.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1, steps - warmup)
    return 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
