"""Batches and their order."""

import numpy as np

from pipeline.training.data_module import LengthBatches


def test_batches_hold_reviews_of_like_length_each_once_in_an_order_of_their_epoch():
    lengths = np.random.default_rng(0).integers(1, 400, 5000)
    order = LengthBatches(np.arange(5000), lengths, 32, seed=1)
    batches = list(order)
    assert len(batches) == len(order)
    assert sorted(row for batch in batches for row in batch) == list(range(5000))
    padding = 1 - lengths.sum() / sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padding < 0.1
    assert list(order) == batches
    order.set_epoch(1)
    assert list(order) != batches


def test_the_parts_of_a_pass_are_of_one_size_and_read_no_review_twice():
    lengths = np.random.default_rng(0).integers(1, 400, 1000)
    order = LengthBatches(np.arange(1000), lengths, 32, seed=1, parts=3)
    rows = []
    for epoch in range(3):
        order.set_epoch(epoch)
        part = list(order)
        assert len(part) == len(order) == 10  # of 32 batches
        rows += [row for batch in part for row in batch]
    assert len(rows) == len(set(rows)) >= 30 * 32 - 24  # the last batch has 8 reviews
