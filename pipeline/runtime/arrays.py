"""Array files that the pipeline has written: memory-mapped, never unpickled, and checked when they are opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.runtime.errors import PipelineError, translate_os_errors

NUMBERS_PER_CHUNK = 1 << 20
"""Numbers of an array that are read at a time."""


class ArrayFile:
    """An open `.npy` file.

    Args:
        path: path of the file.
        dtype: type that its numbers must have.
        shape: shape that it must have; None for a length that may be any.
        remedy: end of an error message, such as "run `dvc repro`".

    Raises:
        PipelineError: the file is missing, damaged, or holds another kind of array.
    """

    def __init__(self, path: Path, dtype: DTypeLike, shape: tuple[int | None, ...], remedy: str) -> None:
        self._path, self._remedy = path, remedy
        try:
            with translate_os_errors(path):
                mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise PipelineError(f"{path} is missing or damaged; {remedy}") from None
        # a plain array: a slice of a `memmap` takes some 400 bytes more, and there may be one for each review
        self.array: NDArray[Any] = np.asarray(mapped)
        self._offset = mapped.offset
        self.require(self.array.dtype == dtype, f"it holds {self.array.dtype}, not {np.dtype(dtype)}")
        fits = len(shape) == self.array.ndim and all(
            length in (None, size) for size, length in zip(self.array.shape, shape, strict=True)
        )
        expected_shape = " x ".join("any" if size is None else str(size) for size in shape)
        self.require(fits, f"its size is {' x '.join(map(str, self.array.shape))}, not {expected_shape}")

    def require(self, holds: bool, problem: str) -> None:
        """Refuse the file unless a condition holds.

        Raises:
            PipelineError: it does not; the message states the problem.
        """
        if not holds:
            raise PipelineError(f"{self._path} is damaged: {problem}; {self._remedy}")

    def require_within(self, low: float, high: float) -> None:
        """Refuse the file if a value, NaN among them, lies outside the bounds.

        Raises:
            PipelineError: one does.
        """
        for chunk in self._chunks():
            least, greatest = chunk.min(), chunk.max()
            self.require(bool(least >= low and greatest <= high), f"not all of its values are from {low} to {high}")

    def require_ascending(self) -> None:
        """Refuse the file unless each value is greater than the one before it.

        Raises:
            PipelineError: one is not.
        """
        last = None
        for chunk in self._chunks():
            ascending = (last is None or chunk[0] > last) and (chunk[1:] > chunk[:-1]).all()
            self.require(bool(ascending), "its numbers are not ascending")
            last = chunk[-1]

    def _chunks(self) -> Iterator[NDArray[Any]]:
        """Yield the values in order, read from the file: pages of a memory map would count as this process's memory."""
        remaining = self.array.size
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while remaining:
                chunk = np.fromfile(file, self.array.dtype, min(NUMBERS_PER_CHUNK, remaining))
                remaining -= len(chunk)
                yield chunk
