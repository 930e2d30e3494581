"""The LSTM cell written out step by step, with a value for every gate.

A cell carries a long-term and a short-term memory from word to word. At every word four gates act on them, named here
as in the introduction "How LSTM's work" (Isabella Grandic, 2019; docs/article.md):

- the **learn gate** combines the short-term memory and the event (the word), and ignores a part of the result:
  `learned = tanh(W_n [short_term, event] + b_n) * ignore`, with the ignore factor
  `ignore = sigmoid(W_i [short_term, event] + b_i)`;
- the **forget gate** keeps a part of the long-term memory: `kept = long_term * forget`, with
  `forget = sigmoid(W_f [short_term, event] + b_f)`;
- the **remember gate** adds the two: `long_term = kept + learned`;
- the **use gate** lets a part of that out: `short_term = tanh(long_term) * use`, with
  `use = sigmoid(W_v [short_term, event] + b_v)`.

This is the standard cell (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000) under other names. The "ignore
factor" is the input gate (1 learns all, 0 ignores all), the "long-term memory" is the cell state, the "short-term
memory" is the hidden state, and the "use factor" is the output gate. The introduction differs from the standard cell,
and so from `torch.nn.LSTM`, in two points; this module follows the cell:

- In the introduction the use gate passes the kept part of the long-term memory through weights of its own,
  `tanh(W_u kept + b_u)`. The cell takes `tanh(long_term)` of the new long-term memory, without weights.
- The introduction calls the remember gate a gate. It is a plain sum without weights.

`torch.nn.LSTM` computes the same faster, but does not give the values of the gates.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipeline.networks.sentiment_rnn import SentimentRNN


@dataclass(frozen=True)
class Trace:
    """Gate values and memories of one direction of an LSTM at every word.

    Each is [layer, batch, time, unit], with time in the order of the text.
    """

    ignore: Tensor
    """Ignore factor, from 0 (nothing is learned) to 1."""
    learned: Tensor
    """Output of the learn gate, from -1 to 1, which is added to the long-term memory."""
    forget: Tensor
    """Forget factor, from 0 (all is forgotten) to 1 (all is kept)."""
    long_term: Tensor
    """Long-term memory after the word: the output of the remember gate."""
    use: Tensor
    """Use factor, from 0 (nothing comes out) to 1."""
    short_term: Tensor
    """Short-term memory after the word, from -1 to 1: the output of the use gate."""


@dataclass(frozen=True)
class GateWeights:
    """Weights of one gate."""

    event: Tensor  # [unit, input]
    short_term: Tensor  # [unit, unit]
    bias: Tensor  # [unit]

    def __call__(self, event: Tensor, short_term: Tensor) -> Tensor:
        """Return `W [short_term, event] + b` [batch, unit] for event [batch, input] and short_term [batch, unit]."""
        return event @ self.event.T + short_term @ self.short_term.T + self.bias


class Cell:
    """One layer of one direction of an LSTM.

    Args:
        lstm: has no projections (`proj_size`).
        layer: counted from 0.
        backward: take the second direction of an `nn.LSTM(bidirectional=True)`.
    """

    def __init__(self, lstm: nn.LSTM, layer: int, backward: bool = False) -> None:
        name = f"l{layer}{'_reverse' if backward else ''}"
        event, short_term = getattr(lstm, f"weight_ih_{name}"), getattr(lstm, f"weight_hh_{name}")
        bias = event.new_zeros(len(event))
        if lstm.bias:
            bias = getattr(lstm, f"bias_ih_{name}") + getattr(lstm, f"bias_hh_{name}")
        # torch keeps the four gates of a layer in one matrix, in this order
        parts = zip(event.chunk(4), short_term.chunk(4), bias.chunk(4), strict=True)
        self.ignore, self.forget, self.new, self.use = (GateWeights(*part) for part in parts)

    def step(self, event: Tensor, short_term: Tensor, long_term: Tensor) -> Trace:
        """Read one word.

        Args:
            event: [batch, input], the word's vector or the output of the layer below.
            short_term: [batch, unit], after the previous word.
            long_term: [batch, unit], after the previous word.

        Returns:
            values of [batch, unit].
        """
        # learn gate
        ignore = torch.sigmoid(self.ignore(event, short_term))
        learned = torch.tanh(self.new(event, short_term)) * ignore
        # forget gate
        forget = torch.sigmoid(self.forget(event, short_term))
        kept = long_term * forget
        # remember gate
        long_term = kept + learned
        # use gate
        use = torch.sigmoid(self.use(event, short_term))
        short_term = torch.tanh(long_term) * use
        return Trace(ignore, learned, forget, long_term, use, short_term)

    def read(self, events: Tensor) -> Trace:
        """Read all words of events [batch, time, input] from empty memories; values of [batch, time, unit]."""
        short_term = long_term = events.new_zeros(len(events), len(self.forget.bias))
        steps = []
        for event in events.unbind(1):
            step = self.step(event, short_term, long_term)
            short_term, long_term = step.short_term, step.long_term
            steps.append(step)
        return _stack(steps, dim=1)


@torch.no_grad()
def trace(lstm: nn.LSTM, events: Tensor) -> list[Trace]:
    """Read events as `torch.nn.LSTM` does, and keep the value of every gate.

    Args:
        lstm: has any number of layers and one direction or two; dropout between layers is not applied.
        events: [batch, time, input].

    Returns:
        a trace for each direction.
    """
    directions: list[list[Trace]] = [[] for _ in range(2 if lstm.bidirectional else 1)]
    for layer in range(lstm.num_layers):
        traces = [Cell(lstm, layer).read(events)]
        if lstm.bidirectional:
            traces.append(_reversed(Cell(lstm, layer, backward=True).read(events.flip(1)), time=1))
        for direction, one in zip(directions, traces, strict=True):
            direction.append(one)
        events = torch.cat([one.short_term for one in traces], dim=2)  # [batch, time, directions * unit]
    return [_stack(layers, dim=0) for layers in directions]


@torch.no_grad()
def trace_network(network: SentimentRNN, x: Tensor) -> list[Trace]:
    """Trace a `SentimentRNN` of LSTM cells that reads token ids x [batch, time] without padding on the right.

    Returns:
        a trace for each direction.
    """
    assert isinstance(network.lstm, nn.LSTM)
    vectors = network.inputs(network.embed(x))  # [batch, time, input]
    traces = trace(network.lstm, vectors)
    if isinstance(network.lstm_backward, nn.LSTM):
        # a separate stack reads the reversed text
        traces += [_reversed(one, time=2) for one in trace(network.lstm_backward, vectors.flip(1))]
    return traces


def _stack(traces: list[Trace], dim: int) -> Trace:
    return Trace(*(torch.stack([getattr(one, field.name) for one in traces], dim) for field in fields(Trace)))


def _reversed(one: Trace, time: int) -> Trace:
    return Trace(*(getattr(one, field.name).flip(time) for field in fields(Trace)))
