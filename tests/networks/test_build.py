"""Every network that conf/model/ offers."""

import pytest
import torch
from torch import nn

from pipeline.config.model import SentimentRNNConfig
from pipeline.networks.build import build_network
from pipeline.runtime.paths import CONF
from tests.support.networks import random_ids


@pytest.mark.parametrize("path", sorted((CONF / "model").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_config_learns(path, compose):
    config = compose(f"model={path.stem}").model
    if isinstance(config, SentimentRNNConfig):
        wide = config.wide and config.wide.model_copy(update={"bits": 12})
        config = config.model_copy(update={"embedding_dim": 12, "hidden_dim": 8, "wide": wide})
    torch.manual_seed(5)
    network = build_network(config, vocab_size=50)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    x, y = random_ids(16, 6), torch.tensor([0.0, 1.0] * 8)
    x[y == 1, 2], x[y == 0, 2] = 5, 6
    losses = []
    for _ in range(40):
        loss = nn.functional.binary_cross_entropy_with_logits(network.logits(x)[0][:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
