"""Learning-rate schedule, and Adagrad by row."""

import pytest
import torch
from torch import nn

from pipeline.training.optimizer import RowAdagrad, learning_rate_factor


@pytest.mark.parametrize(
    ("schedule", "halfway", "end"), [("constant", 1, 1), ("linear", 0.5, 0.01), ("cosine", 0.5, 0.001)]
)
def test_the_learning_rate_rises_then_follows_its_schedule(compose, schedule, halfway, end):
    config = compose(f"training.schedule={schedule}", "training.warmup=0.1").training
    factors = [learning_rate_factor(step, 1000, config) for step in range(1000)]
    assert factors[:100] == sorted(factors[:100])
    assert factors[99] == 1
    assert factors[550] == pytest.approx(halfway, abs=0.01)
    assert factors[-1] == pytest.approx(end, abs=0.01)


@pytest.mark.parametrize("sparse", [True, False])
def test_adagrad_by_row_slows_down_each_row_by_its_own_gradients(sparse):
    torch.manual_seed(0)
    weights = nn.Embedding(4, 8, sparse=sparse)
    before = weights.weight.detach().clone()
    optimizer = RowAdagrad(weights.parameters(), lr=0.5)
    steps = []
    for rows in ([0, 1, 1], [1]):
        optimizer.zero_grad()
        weights(torch.tensor(rows)).square().sum().backward()
        previous = weights.weight.detach().clone()
        optimizer.step()
        steps.append((weights.weight.detach() - previous).square().mean(1).sqrt())
    torch.testing.assert_close(
        steps[0], torch.tensor([0.5, 0.5, 0, 0])
    )  # the learning rate, however large the gradient
    assert 0 < steps[1][1] < 0.5
    assert steps[1][0] == 0
    torch.testing.assert_close(weights.weight[2:], before[2:], rtol=0, atol=0)
