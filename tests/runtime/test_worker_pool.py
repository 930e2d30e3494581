"""Pool of worker processes: order, bounded reading ahead, and the death of a worker."""

import os
import signal

import numpy as np
import pytest
from joblib import Parallel, delayed

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.worker_pool import translate_worker_deaths, worker_pool


def test_a_pool_keeps_the_order_and_takes_few_items_ahead():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    with worker_pool(2) as mapping:
        results = mapping(np.int64, items())
        assert next(results) == 0
        assert len(taken) < 10
        assert list(results) == list(range(1, 50))


def die(_item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_one_line() -> None:
    with (
        pytest.raises(PipelineError, match=r"worker process was killed, .*; free some memory"),
        worker_pool(2) as mapping,
    ):
        list(mapping(die, range(4)))
    with pytest.raises(PipelineError, match="a worker process was killed"), translate_worker_deaths():
        Parallel(n_jobs=2, backend="loky")(delayed(die)(number) for number in range(2))
