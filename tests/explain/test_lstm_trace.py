"""The LSTM written out equals `torch.nn.LSTM`."""

import pytest
import torch
from torch import nn

from pipeline.explain.lstm_trace import Trace, trace, trace_network
from pipeline.networks.sentiment_rnn import SentimentRNN

CLOSE = {"atol": 1e-6, "rtol": 0}


def shapes(seed):
    """Draw the numbers of layers, inputs, units, reviews and words."""
    torch.manual_seed(seed)
    return (int(torch.randint(low, high, ())) for low, high in ((1, 4), (1, 40), (1, 40), (1, 5), (1, 30)))


def one_layer(lstm, layer, suffix=""):
    """Return one layer of one direction of an LSTM as an LSTM of its own."""
    names = [name for name, _ in lstm.named_parameters() if name.endswith(f"_l{layer}{suffix}")]
    weights = {f"{name.rpartition('_l')[0]}_l0": getattr(lstm, name).detach() for name in names}
    single = nn.LSTM(weights["weight_ih_l0"].shape[1], lstm.hidden_size, bias=lstm.bias, batch_first=True)
    single.load_state_dict(weights)
    return single


@torch.no_grad()
def expect_steps(lstm, events, layer, traced, backward=False, suffix=""):
    """Step torch's cell word by word, and compare its memories with the traced ones [batch, time, unit]."""
    single, memory = one_layer(lstm, layer, suffix), None
    times = range(events.shape[1])
    for time in reversed(times) if backward else times:
        _, memory = single(events[:, time : time + 1], memory)
        torch.testing.assert_close(traced.short_term[layer][:, time], memory[0][0], **CLOSE)
        torch.testing.assert_close(traced.long_term[layer][:, time], memory[1][0], **CLOSE)


@pytest.mark.parametrize("seed", range(50))
def test_every_layer_and_direction_equals_torch_step_by_step(seed):
    layers, size, units, batch, time = shapes(seed)
    lstm = nn.LSTM(size, units, layers, batch_first=True, bidirectional=bool(seed % 2), bias=seed % 5 > 0)
    words = torch.randn(batch, time, size)
    directions = trace(lstm, words)
    with torch.no_grad():
        states, (short_term, long_term) = lstm(words)
    torch.testing.assert_close(torch.cat([one.short_term[-1] for one in directions], dim=2), states, **CLOSE)
    for number, one in enumerate(directions):
        assert one.forget.shape == (layers, batch, time, units)
        end = 0 if number else -1
        torch.testing.assert_close(one.short_term[:, :, end], short_term[number :: len(directions)], **CLOSE)
        torch.testing.assert_close(one.long_term[:, :, end], long_term[number :: len(directions)], **CLOSE)
        for layer in range(layers):
            events = words if layer == 0 else torch.cat([d.short_term[layer - 1] for d in directions], dim=2)
            suffix = "_reverse" if number else ""
            expect_steps(lstm, events, layer, one, backward=bool(number), suffix=suffix)


@pytest.mark.parametrize("seed", range(50))
def test_the_networks_second_stack_is_traced_from_its_own_last_word(seed):
    layers, size, units, batch, time = shapes(seed)
    network = SentimentRNN(30, 1, size, units, layers, bidirectional=seed % 2 > 0).eval()
    x = torch.randint(2, 30, (batch, time))
    traces = trace_network(network, x)
    vectors = network.embed(x).detach()
    stacks = [stack for stack in (network.lstm, network.lstm_backward) if stack is not None]
    assert len(traces) == len(stacks)
    for number, (stack, one) in enumerate(zip(stacks, traces, strict=True)):
        for layer in range(layers):
            events = vectors if layer == 0 else one.short_term[layer - 1]
            expect_steps(stack, events, layer, one, backward=bool(number))
    # the prediction read from the traced memories is that of the network
    ends = [one.short_term[-1][:, 0 if number else -1] for number, one in enumerate(traces)]
    with torch.no_grad():
        prediction = network.fc(torch.cat(ends, dim=1))
        torch.testing.assert_close(prediction, network.logits(x)[0], **CLOSE)


@pytest.mark.parametrize(
    ("gate", "shut"),
    [
        (0, lambda t: (t.ignore, t.learned, t.long_term)),
        (1, lambda t: (t.forget, t.long_term - t.learned)),
        (3, lambda t: (t.use, t.short_term)),
    ],
    ids=["learn", "forget", "use"],
)
def test_a_closed_gate_lets_nothing_through(gate, shut):
    torch.manual_seed(0)
    lstm = nn.LSTM(6, 5, batch_first=True)
    with torch.no_grad():
        lstm.bias_ih_l0[gate * 5 : (gate + 1) * 5] = -100
    (traced,) = trace(lstm, torch.randn(2, 7, 6))
    for value in shut(traced):
        torch.testing.assert_close(value, torch.zeros_like(value), **CLOSE)


def test_the_remember_gate_adds_what_is_learned_to_what_is_kept():
    torch.manual_seed(0)
    (traced,) = trace(nn.LSTM(6, 5, 2, batch_first=True), torch.randn(2, 7, 6))
    kept = traced.long_term[:, :, :-1] * traced.forget[:, :, 1:]
    torch.testing.assert_close(traced.long_term[:, :, 1:], kept + traced.learned[:, :, 1:], **CLOSE)
    assert isinstance(traced, Trace)
