"""AdamW and its schedule."""

import math
from collections.abc import Sequence
from typing import Any

from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from pipeline.config import OptimiserConfig


def build_optimiser(groups: Sequence[dict[str, Any]], config: OptimiserConfig, steps: int) -> dict[str, Any]:
    """AdamW (Loshchilov & Hutter 2019), without weight decay Adam, with a schedule by step, as Lightning wants.

    Args:
        groups: `params` to be trained; with an `lr` of their own where they need another peak than the rest.
        config: how.
        steps: of the whole training.
    """
    optimiser = AdamW(
        list(groups), lr=config.lr, betas=(0.9, config.beta2), weight_decay=config.weight_decay, fused=True
    )
    scheduler = LambdaLR(optimiser, lambda step: learning_rate_factor(step, steps, config))
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def learning_rate_factor(step: int, steps: int, config: OptimiserConfig) -> float:
    """What the peak learning rate is multiplied by at a step (from 0) of `steps`: a linear rise, then the schedule."""
    warmup = round(config.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1, steps - warmup)
    return 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
