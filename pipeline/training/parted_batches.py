"""Samplers whose pass over the data is divided into parts, each an epoch to Lightning."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Batch = TypeVar("Batch")


class PartedBatches(Sampler[Batch], ABC):
    """Sampler of batches in a random order, which depends only on the seed and the pass.

    Args:
        rows: the rows to yield [n].
        batch_size: rows in a batch.
        seed: seed of the order.
        parts: number of parts that a pass over all rows is divided into, at most the number of batches; each part is an
            epoch to Lightning. All parts have the same size, because Lightning validates after as many batches as the
            first epoch had. Each pass therefore leaves out its last few batches, fewer than there are parts.
    """

    def __init__(self, rows: NDArray[np.int64], batch_size: int, seed: int, parts: int) -> None:
        self._rows, self._batch_size, self._seed, self._epoch = rows, batch_size, seed, 0
        self.parts = min(parts, self._batches)

    @property
    def _batches(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._batches // self.parts

    def __iter__(self) -> Iterator[Batch]:
        passes, part = divmod(self._epoch, self.parts)
        batches = self._shuffled(np.random.default_rng([self._seed, passes]))
        yield from islice(batches, part * len(self), (part + 1) * len(self))

    @abstractmethod
    def _shuffled(self, random: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of a pass in the order of this generator."""
