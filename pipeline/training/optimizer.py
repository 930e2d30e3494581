"""Optimizer and learning-rate schedule."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.config.optimizer import OptimizerConfig

MIN_SQUARE = 1e-10
"""Sum of squares that a row begins with, so that no gradient is divided by 0."""


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


class RowAdagrad(Optimizer):
    """Adagrad (Duchi et al. 2011) with one learning rate for each row of a weight, however rarely it is met.

    A sum of mean squares for each row takes the place of one for each number, which half as much time is spent on.

    Args:
        parameters: weights [rows, …].
        lr: learning rate of a row at its first step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; a `closure` computes the gradients first, and what it returns is returned."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group["lr"])
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, lr: float) -> None:
        state = self.state[weight]
        if not state:
            state["squares"] = weight.new_full((len(weight),), MIN_SQUARE)
        squares = state["squares"]
        rows = torch.arange(len(weight), device=weight.device)
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, gradient = gradient.indices()[0], gradient.values()
        gradient = gradient.view(len(rows), -1)
        squares.index_add_(0, rows, gradient.square().mean(1))
        weight.view(len(weight), -1).index_add_(0, rows, gradient * (-lr * squares[rows].rsqrt())[:, None])
