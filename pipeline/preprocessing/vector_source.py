"""Sources of word vectors: a file of the user's, or an installed package."""

from collections.abc import Set
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config.text import FileVectors, PackageVectors, Vectors
from pipeline.preprocessing.vector_file import file_dimension, find_in_file
from pipeline.runtime.checksum import file_fingerprint, verify_checksum
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.named_files import existing_file, packaged_file

INSTALL = "install it: pip install -c constraints.txt -e '.[glove]'"


def vector_dimension(vectors: Vectors) -> int:
    """Return the number of numbers of a word, reading no more of the vectors than necessary.

    Raises:
        PipelineError: as `find_vectors`.
    """
    match vectors:
        case FileVectors():
            return file_dimension(_vector_file(vectors))
        case PackageVectors():
            return int(_array(_member(vectors, vectors.vectors)).shape[1])


def find_vectors(vectors: Vectors, words: Set[str]) -> tuple[dict[str, int], NDArray[np.float32]]:
    """Look up the vectors of words.

    Returns:
        the row of each word that has a vector, and the vectors [rows, dimension].

    Raises:
        PipelineError: the file is missing or wrong; the package is not installed, or its files are not the expected
            ones; or no word has a vector other than 0.
    """
    match vectors:
        case FileVectors(path=source):
            rows, available = find_in_file(_vector_file(vectors), words)
        case PackageVectors(package=source):
            rows, available = _find_in_package(vectors, words)
    if not available.any():
        raise PipelineError(
            f"text.vectors: {source} has a vector for no word of the vocabulary; use vectors of the reviews' language, "
            "for words in lower case"
        )
    return rows, available


def vectors_fingerprint(vectors: FileVectors) -> str:
    """Return `sha256:…` of the file.

    Raises:
        PipelineError: the file is missing.
    """
    return file_fingerprint(_vector_file(vectors))


def _vector_file(vectors: FileVectors) -> Path:
    return existing_file("text.vectors.path", vectors.path)


def _find_in_package(vectors: PackageVectors, words: Set[str]) -> tuple[dict[str, int], NDArray[np.float32]]:
    list_path, array_path = _member(vectors, vectors.words), _member(vectors, vectors.vectors)
    verify_checksum(list_path, vectors.words_checksum, INSTALL)
    verify_checksum(array_path, vectors.vectors_checksum, INSTALL)
    package_words = pq.read_table(list_path).column(0).to_pylist()
    rows = [row for row, word in enumerate(package_words) if word in words]
    return {package_words[row]: i for i, row in enumerate(rows)}, np.asarray(_array(array_path)[rows])


def _array(path: Path) -> NDArray[np.float32]:
    array: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _member(vectors: PackageVectors, name: str) -> Path:
    return packaged_file("text.vectors", vectors.package, name, INSTALL)
