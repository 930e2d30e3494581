"""McNemar's test."""

import numpy as np
import pytest

from pipeline.evaluation.mcnemar import mcnemar


def test_mcnemar_counts_only_what_one_of_them_got_right() -> None:
    first = np.array([True] * 12 + [False] * 2 + [True] * 50)
    second = np.array([False] * 12 + [True] * 2 + [True] * 50)
    result = mcnemar(first, second)
    assert (result.first_only, result.second_only) == (12, 2)
    assert result.p_value == pytest.approx(2 * (1 + 14 + 91) / 2**14)
    assert mcnemar(first, first).p_value == 1
