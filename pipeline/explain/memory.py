"""Memory of an LSTM by unit: the words it holds, how long it holds them, and its contribution to the prediction."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.explain.attribution import without_words
from pipeline.explain.lstm_trace import Trace, trace_network
from pipeline.explain.target import Target
from pipeline.networks.build import Network, deep_path
from pipeline.networks.pooling import pool
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """Gates and memory of one direction of reading, in the last layer, from which the prediction is read."""

    backward: bool
    gates: dict[str, Values]
    """Values [word, unit] by the name of their field in `Trace`."""
    half_life: Values
    """Half-life of each unit [unit], in words, by its mean forget factor in this text."""
    attribution: Values
    """Contribution of each unit to the target [unit], compared with a review of unknown words. Those of all units in
    all directions add up to the change of the target in the deep path."""
    written: Values
    """Share of each word [word, unit] in the unit's long-term memory after the last word is read."""


@torch.no_grad()
def trace_memory(network: Network, x: Tensor, words: int, target: Target) -> list[Direction]:
    """Trace the memory of a network while it reads token ids x [1, time], of which the last `words` are not padding.

    Returns:
        each direction, in the target before it is divided; an empty list if the network has no LSTM cells.
    """
    deep = deep_path(network)
    if not isinstance(deep, SentimentRNN) or not isinstance(deep.lstm, nn.LSTM):
        return []
    weight = network.path_weights[0] if isinstance(network, WideAndDeep) else 1.0
    traces, unread = trace_network(deep, x), trace_network(deep, without_words(x))
    by_feature = target.weights @ deep.fc.weight  # [direction * pooling * unit]
    output = by_feature.view(len(traces), len(deep.pooling), -1) * weight  # [direction, pooling, unit]
    directions = []
    for number, (one, other) in enumerate(zip(traces, unread, strict=True)):
        backward = number > 0
        states, unread_states = (_pooled(trace.short_term[-1, 0], deep.pooling, backward) for trace in (one, other))
        attribution = (output[number] * (states - unread_states)).sum(0)
        directions.append(_summarise(one, attribution, words, backward))
    return directions


def _summarise(one: Trace, attribution: Tensor, words: int, backward: bool) -> Direction:
    gates = {name: value[-1, 0, -words:].double().numpy() for name, value in vars(one).items()}  # [word, unit]
    forget = gates["forget"].clip(1e-6, 1 - 1e-6)
    half_life = np.log(2) / -np.log(forget).mean(0)
    return Direction(backward, gates, half_life, attribution.double().numpy(), written(gates, backward))


def written(gates: dict[str, Values], backward: bool) -> Values:
    """Return the share [word, unit] of each word in the long-term memory at the end.

    The memory at the end is exactly the sum over words of `learned * (product of the later forget factors)`. The shares
    are those of the absolute values of these terms.
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
