"""The launcher of the processes of a training."""

from functools import partial

import torch

from pipeline.training import distributed
from pipeline.training.hardware import Hardware
from pipeline.training.launcher import launch


def gather_sums(weights, log_metrics):
    """Log this process's rank and gather the sum of the weights from all processes."""
    log_metrics({"rank": distributed.rank()}, distributed.world_size())
    with distributed.process_group():
        return distributed.gather(float(weights["embedding"].sum()))


def test_tensors_travel_to_every_process_and_the_points_of_rank_0_come_back():
    points = []
    train = partial(gather_sums, {"embedding": torch.ones(3, 4)})
    sums = launch(train, Hardware("cpu", "32-true", 1, 2), lambda metrics, step: points.append((metrics, step)))
    assert sums == [12.0, 12.0]
    assert points == [({"rank": 0}, 2)]
