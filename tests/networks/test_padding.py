"""Padding."""

import numpy as np

from pipeline.networks.padding import pad


def test_padding_on_the_left_to_a_fixed_length():
    x, lengths = pad([np.array([5, 6, 7], np.int32), np.arange(2, 9, dtype=np.int32)], fixed_length=5)
    assert lengths is None
    assert x.tolist() == [[0, 0, 5, 6, 7], [2, 3, 4, 5, 6]]
