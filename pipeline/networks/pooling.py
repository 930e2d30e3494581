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
        poolings = {"last": lambda: states[:, -1], "mean": lambda: states.mean(1), "max": lambda: _max(states)}
    else:
        # Only steps behind the end of the shortest review may be padding: no others are copied and masked. On a
        # GPU that length is not computed, because the CPU would have to wait for it.
        common = int(lengths.min()) if lengths.device.type == "cpu" else 1
        read, rest = states[:, :common], states[:, common:]
        steps = torch.arange(common, states.shape[1], device=states.device)
        padding = (steps >= lengths[:, None])[:, :, None]  # [batch, rest, 1]
        poolings = {
            "last": lambda: states[torch.arange(len(states), device=states.device), lengths - 1],
            "mean": lambda: (read.sum(1) + rest.masked_fill(padding, 0).sum(1)) / lengths[:, None],
            "max": lambda: torch.maximum(_max(read), _max(rest.masked_fill(padding, -torch.inf))),
        }
    return torch.cat([poolings[name]() for name in names], dim=1)


def _max(states: Tensor) -> Tensor:
    """Return the maximum over steps of states [batch, time, hidden]; -inf if there are none.

    The gradient goes to one step even where several are equal, which bfloat16 makes frequent: finding and counting
    them takes twice as long. Without a gradient no step needs to be known.
    """
    if not states.shape[1]:
        return torch.full_like(states.sum(1), -torch.inf)
    return states.max(1).values if states.requires_grad else states.amax(1)
