"""Writers of the splits of a dataset; their form is that of `pipeline.text.dataset`."""

import hashlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.runtime.arrays import NUMBERS_PER_CHUNK
from pipeline.text.vocabulary import UNKNOWN

RowArrays = Mapping[str, Mapping[str, NDArray[np.int32]]]
"""By split, and by the name of their file, arrays with a number for each review [reviews]."""


def write_row_arrays(folder: Path, arrays: RowArrays, digest: str) -> str:
    """Write arrays beside those of the splits.

    Args:
        folder: folder of a dataset whose splits are written.
        arrays: numbers of the reviews, in the order of the splits.
        digest: digest of the dataset so far.

    Returns:
        the digest of the dataset with these arrays.
    """
    digests = hashlib.sha256(digest.encode())
    for split, named in arrays.items():
        for name, numbers in named.items():
            np.save(folder / split / f"{name}.npy", numbers)
            digests.update(f"{split}/{name}".encode() + numbers.tobytes())
    return digests.hexdigest()


class SplitWriter:
    """Writer of one split: first in provisional ids, then, when all words are known, in final ones."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._provisional: BinaryIO = (folder / "provisional").open("wb+")
        self._rows: pq.ParquetWriter | None = None
        self._lengths = array("i")
        self._labels = array("b")

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._provisional.close()
        if self._rows is not None:
            self._rows.close()

    def add(self, rows: pa.RecordBatch, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> None:
        """Append reviews: their rows, their provisional ids one after the other, and the number of ids of each."""
        if self._rows is None:
            self._rows = pq.ParquetWriter(self._folder / "rows.parquet", rows.schema)
        self._rows.write_batch(rows)
        self._provisional.write(ids.tobytes())
        self._lengths.frombytes(lengths.tobytes())
        if "label" in rows.schema.names:
            self._labels.frombytes(rows.column("label").to_numpy().tobytes())

    def finish(self, final: NDArray[np.int32], digest: "hashlib._Hash") -> float:
        """Write the arrays, translating ids by `final[provisional id]`, and add them to `digest`.

        Returns:
            the share of tokens that are unknown words.
        """
        offsets = np.zeros(len(self._lengths) + 1, np.int64)
        np.cumsum(np.frombuffer(self._lengths, np.int32), out=offsets[1:])
        np.save(self._folder / "offsets.npy", offsets)
        digest.update(offsets.data)
        if self._labels:
            labels = np.frombuffer(self._labels, np.int8)
            np.save(self._folder / "labels.npy", labels)
            digest.update(labels.data)
        unknown, size = 0, int(offsets[-1])
        self._provisional.seek(0)
        with (self._folder / "ids.npy").open("wb") as file:  # no memory map: a full disk would kill the process
            header = {"descr": np.lib.format.dtype_to_descr(final.dtype), "fortran_order": False, "shape": (size,)}
            np.lib.format.write_array_header_1_0(file, header)
            while read := self._provisional.read(NUMBERS_PER_CHUNK * 4):
                chunk = final[np.frombuffer(read, np.int32)]
                file.write(chunk.data)
                unknown += int((chunk == UNKNOWN).sum())
                digest.update(chunk.data)
        self._provisional.close()
        (self._folder / "provisional").unlink()
        return unknown / size
