"""Which units of an LSTM remember what, over how long, and how much the verdict leans on them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.explain.attribution import without_words
from pipeline.explain.lstm_trace import Trace, trace_network
from pipeline.networks.build import Network, deep_part
from pipeline.networks.pooling import pool
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """One direction of reading, in the layer the verdict is read from."""

    backward: bool
    gates: dict[str, Values]
    """Each value of a `Trace` [word, unit]."""
    half_life: Values
    """Words after which half of what a unit holds is forgotten [unit], by its mean forget factor in this text."""
    lean: Values
    """What each unit adds to the log-odds [unit], compared with unknown words. All units of all directions
    together add up to the change of the deep path's answer."""
    written: Values
    """The share of each word [word, unit] in what the unit's long-term memory holds once all is read."""


@torch.no_grad()
def memory(network: Network, x: Tensor, words: int) -> list[Direction]:
    """Look into a network that reads token ids x [1, time], whose last `words` are no padding.

    Returns:
        each direction, in log-odds before calibration; none where the network has no LSTM cells.
    """
    deep = deep_part(network)
    if not isinstance(deep, SentimentRNN) or not isinstance(deep.lstm, nn.LSTM):
        return []
    weight = network.path_weights[0] if isinstance(network, WideAndDeep) else 1.0
    traces, unread = trace_network(deep, x), trace_network(deep, without_words(x))
    output = deep.fc.weight.view(len(traces), len(deep.pooling), -1) * weight  # [direction, pooling, unit]
    found = []
    for number, (one, other) in enumerate(zip(traces, unread, strict=True)):
        backward = number > 0
        states, before = (_pooled(trace.short_term[-1, 0], deep.pooling, backward) for trace in (one, other))
        lean = (output[number] * (states - before)).sum(0)
        found.append(_direction(one, lean, words, backward))
    return found


def _direction(one: Trace, lean: Tensor, words: int, backward: bool) -> Direction:
    gates = {name: value[-1, 0, -words:].double().numpy() for name, value in vars(one).items()}  # [word, unit]
    forget = gates["forget"].clip(1e-6, 1 - 1e-6)
    half_life = np.log(2) / -np.log(forget).mean(0)
    return Direction(backward, gates, half_life, lean.double().numpy(), written(gates, backward))


def written(gates: dict[str, Values], backward: bool) -> Values:
    """What each word wrote into the long-term memory and the forget gates have left of it at the end, in shares.

    The memory at the end is exactly `sum over words of learned * (product of the later forget factors)`; the shares
    [word, unit] are of the sizes of these terms.
    """
    learned, forget = (gates[name][::-1] if backward else gates[name] for name in ("learned", "forget"))
    later = np.ones_like(forget)
    later[:-1] = np.cumprod(forget[:0:-1], axis=0)[::-1]
    left = np.abs(learned * later)
    shares: Values = left / left.sum(0).clip(1e-12)
    return shares[::-1] if backward else shares


def _pooled(states: Tensor, names: tuple[str, ...], backward: bool) -> Tensor:
    """Return the poolings [pooling, unit] of states [time, unit] that are in the order of the text."""
    read = states.flip(0) if backward else states  # in the order in which the direction has read them
    return pool(read[None], names).view(len(names), -1)
