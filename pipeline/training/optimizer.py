"""Optimizer and learning-rate schedule."""

import math
from collections.abc import Sequence
from typing import Any

from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from pipeline.config.optimizer import OptimizerConfig


def build_optimizer(groups: Sequence[dict[str, Any]], config: OptimizerConfig, steps: int) -> dict[str, Any]:
    """Build AdamW (Loshchilov & Hutter 2019) and a schedule by step, in the form that Lightning expects.

    Without weight decay AdamW is Adam.

    Args:
        groups: parameter groups: `params`, and an `lr` where the group has a peak learning rate of its own.
        config: optimizer and learning-rate schedule.
        steps: steps of the whole training.
    """
    optimizer = AdamW(
        list(groups), lr=config.lr, betas=(0.9, config.beta2), weight_decay=config.weight_decay, fused=True
    )
    scheduler = LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps, config))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def learning_rate_factor(step: int, steps: int, config: OptimizerConfig) -> float:
    """Return the factor of the peak learning rate at a step: a linear warm-up, then the schedule.

    Args:
        step: from 0.
        steps: steps of the whole training.
        config: optimizer and learning-rate schedule.
    """
    warmup = round(config.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1, steps - warmup)
    return 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
