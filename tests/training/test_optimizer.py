"""Learning-rate schedule."""

import pytest

from pipeline.training.optimizer import learning_rate_factor


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
