"""The LSTM cell written out, with the names a well-known beginner's introduction gives its parts.

A cell carries two memories from word to word, a long-term and a short-term one. At every word four gates work:

- the **learn gate** joins the short-term memory with the event (the word) to something new, and ignores a part of it:
  `learned = tanh(W_n [short_term, event] + b_n) * ignore`, with the ignore factor
  `ignore = sigmoid(W_i [short_term, event] + b_i)`;
- the **forget gate** keeps a part of the long-term memory: `kept = long_term * forget`, with
  `forget = sigmoid(W_f [short_term, event] + b_f)`;
- the **remember gate** adds the two: `long_term = kept + learned`;
- the **use gate** lets a part of that out: `short_term = tanh(long_term) * use`, with
  `use = sigmoid(W_v [short_term, event] + b_v)`.

That is the standard cell (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000) under other names: "ignore
factor" is the input gate (1 learns all, 0 ignores all), "long-term memory" the cell state, "short-term memory" the
hidden state, "use factor" the output gate. Where that description differs from the standard cell and from
`torch.nn.LSTM`, this file follows the cell:

- It passes what the use gate takes from the long-term memory through weights of their own, `tanh(W_u kept + b_u)`. The
  cell takes `tanh(long_term)`, of the new long-term memory, without weights.
- It calls the remember gate a gate; it is a plain sum, with nothing to learn.

Plain PyTorch, word by word: to be read, and to look into a trained network. `torch.nn.LSTM` does the same, faster.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipeline.networks.sentiment_rnn import SentimentRNN


@dataclass(frozen=True)
class Trace:
    """What a direction of an LSTM did at every word, each [layer, batch, time, unit]; time is the order of the text."""

    ignore: Tensor
    """Ignore factor, 0 (nothing is learned) to 1."""
    learned: Tensor
    """What the learn gate adds to the long-term memory, -1 to 1."""
    forget: Tensor
    """Forget factor, 0 (all is forgotten) to 1 (all is kept)."""
    long_term: Tensor
    """Long-term memory after the word: what the remember gate makes."""
    use: Tensor
    """Use factor, 0 (nothing comes out) to 1."""
    short_term: Tensor
    """Short-term memory after the word, -1 to 1: what the use gate lets out."""


@dataclass(frozen=True)
class Weights:
    """What one gate makes of a word and of the short-term memory."""

    event: Tensor  # [unit, input]
    short_term: Tensor  # [unit, unit]
    bias: Tensor  # [unit]

    def __call__(self, event: Tensor, short_term: Tensor) -> Tensor:
        """`W [short_term, event] + b` of event [batch, input] and short-term memory [batch, unit]: [batch, unit]."""
        return event @ self.event.T + short_term @ self.short_term.T + self.bias


class Cell:
    """One layer of one direction of an LSTM.

    Args:
        lstm: without projections (`proj_size`).
        layer: counted from 0.
        backward: the second direction of an `nn.LSTM(bidirectional=True)`.
    """

    def __init__(self, lstm: nn.LSTM, layer: int, backward: bool = False) -> None:
        name = f"l{layer}{'_reverse' if backward else ''}"
        event, short_term = getattr(lstm, f"weight_ih_{name}"), getattr(lstm, f"weight_hh_{name}")
        bias = event.new_zeros(len(event))
        if lstm.bias:
            bias = getattr(lstm, f"bias_ih_{name}") + getattr(lstm, f"bias_hh_{name}")
        # torch keeps the four gates of a layer in one matrix, in this order
        parts = zip(event.chunk(4), short_term.chunk(4), bias.chunk(4), strict=True)
        self.ignore, self.forget, self.new, self.use = (Weights(*part) for part in parts)

    def step(self, event: Tensor, short_term: Tensor, long_term: Tensor) -> Trace:
        """One word.

        Args:
            event: [batch, input], the word's vector or what the layer below made of it.
            short_term: [batch, unit], as the word before left it.
            long_term: [batch, unit], likewise.

        Returns:
            every value [batch, unit].
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
        """All words of events [batch, time, input], from empty memories on: every value [batch, time, unit]."""
        short_term = long_term = events.new_zeros(len(events), len(self.forget.bias))
        steps = []
        for event in events.unbind(1):
            step = self.step(event, short_term, long_term)
            short_term, long_term = step.short_term, step.long_term
            steps.append(step)
        return _stack(steps, dim=1)


@torch.no_grad()
def trace(lstm: nn.LSTM, events: Tensor) -> list[Trace]:
    """Read as `torch.nn.LSTM` does, and keep what every gate did.

    Args:
        lstm: of any number of layers, of one direction or both; dropout between layers is left out.
        events: [batch, time, input].

    Returns:
        a trace for each direction.
    """
    directions: list[list[Trace]] = [[] for _ in range(2 if lstm.bidirectional else 1)]
    for layer in range(lstm.num_layers):
        found = [Cell(lstm, layer).read(events)]
        if lstm.bidirectional:
            found.append(_turned(Cell(lstm, layer, backward=True).read(events.flip(1)), time=1))
        for direction, one in zip(directions, found, strict=True):
            direction.append(one)
        events = torch.cat([one.short_term for one in found], dim=2)  # [batch, time, directions * unit]
    return [_stack(layers, dim=0) for layers in directions]


@torch.no_grad()
def trace_network(network: SentimentRNN, x: Tensor) -> list[Trace]:
    """Trace a `SentimentRNN` of LSTM cells reading token ids x [batch, time], without padding on the right.

    Returns:
        a trace for each direction.
    """
    assert isinstance(network.lstm, nn.LSTM)
    vectors = network.embedding(x)  # [batch, time, embedding]
    found = trace(network.lstm, vectors)
    if isinstance(network.lstm_backward, nn.LSTM):
        # a stack of its own that reads the reversed text
        found += [_turned(one, time=2) for one in trace(network.lstm_backward, vectors.flip(1))]
    return found


def _stack(traces: list[Trace], dim: int) -> Trace:
    return Trace(*(torch.stack([getattr(one, field.name) for one in traces], dim) for field in fields(Trace)))


def _turned(one: Trace, time: int) -> Trace:
    return Trace(*(getattr(one, field.name).flip(time) for field in fields(Trace)))
