"""Pooling over time: from the hidden states of all steps to one vector."""

from collections.abc import Sequence

import torch
from torch import Tensor


def pool(states: Tensor, names: Sequence[str], lengths: Tensor | None = None) -> Tensor:
    """Concatenate one or more poolings over time.

    Args:
        states: hidden states [batch, time, hidden], in the order in which the cell computed them.
        names: the poolings to concatenate, each one of `pipeline.config.model.Pooling`.
        lengths: steps of each review [batch], at least 1; the steps after them are padding and do not count. None
            counts every step.

    Returns:
        [batch, poolings * hidden], the poolings in the order of `names`.
    """
    if lengths is None:
        poolings = {"last": lambda: states[:, -1], "mean": lambda: states.mean(1), "max": lambda: states.amax(1)}
    else:
        steps = torch.arange(states.shape[1], device=states.device)
        padding = (steps >= lengths[:, None])[:, :, None]  # [batch, time, 1]
        poolings = {
            "last": lambda: states[torch.arange(len(states), device=states.device), lengths - 1],
            "mean": lambda: states.masked_fill(padding, 0).sum(1) / lengths[:, None],
            "max": lambda: states.masked_fill(padding, -torch.inf).amax(1),
        }
    return torch.cat([poolings[name]() for name in names], dim=1)
