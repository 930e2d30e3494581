"""Batches to train on, whose place within an epoch is kept in checkpoints."""

from collections.abc import Iterator
from itertools import islice
from typing import Protocol, TypeVar

from torch.utils.data import DataLoader, Dataset, Sampler

Batch_co = TypeVar("Batch_co", covariant=True)


class Order(Protocol):
    """Sampler of batches in an order that depends on the epoch alone."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[object]: ...


class ResumableLoader(DataLoader[Batch_co]):
    """Loads batches in this process; Lightning keeps in a checkpoint how many of the epoch it has loaded.

    Args:
        dataset: makes a batch of the rows that `order` yields.
        order: rows of each batch.
    """

    def __init__(self, dataset: Dataset[Batch_co], order: Order) -> None:
        self._place = _Place(order)
        super().__init__(dataset, batch_size=None, sampler=self._place)

    def state_dict(self) -> dict[str, int]:
        """Return the place, for a checkpoint."""
        return {"loaded": self._place.loaded}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration begin at the place of a checkpoint within an epoch."""
        self._place.first = state["loaded"]


class _Place(Sampler[object]):
    """Order of an epoch, which counts its batches, and once begins at a later one than the first."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.first, self.loaded = 0, 0

    def set_epoch(self, epoch: int) -> None:
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[object]:
        self.loaded, self.first = self.first, 0
        for rows in islice(self._order, self.loaded, None):
            self.loaded += 1
            yield rows
