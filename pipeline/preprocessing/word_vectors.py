"""Word vectors learnt elsewhere, for the words of a dataset."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Vectors
from pipeline.preprocessing.vector_source import find
from pipeline.runtime.arrays import CHUNK
from pipeline.text.dataset import read_split
from pipeline.text.vocabulary import SPECIALS, Vocabulary

log = logging.getLogger(__name__)


def add_vectors(folder: Path, config: Vectors, vocabulary: Vocabulary, digest: str) -> tuple[dict[str, Any], str]:
    """Write the vectors of a dataset's words, and which words have one, into its folder.

    Args:
        folder: of a dataset whose splits are written.
        config: where the vectors come from.
        vocabulary: the dataset's.
        digest: the dataset's so far.

    Returns:
        the coverage: dimension, words with a vector, their share of the vocabulary (padding and the unknown word set
        aside) and of the running words of train; and the digest of the dataset with the vectors.

    Raises:
        PipelineError: as `pipeline.preprocessing.vector_source.find`.
    """
    words = vocabulary.words[len(SPECIALS) :]
    rows, found = find(config, set(words))
    vectors = vocabulary.arrange(found, rows)
    covered = np.array([word in rows for word in vocabulary.words])
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "vectors_covered.npy", covered)
    running = _running_words(folder, len(vocabulary))
    coverage = {
        "dimension": vectors.shape[1],
        "words": int(covered.sum()),
        "vocabulary_share": round(float(covered.sum()) / len(words), 5),
        "train_share": round(float(running[covered].sum() / running.sum()), 5),
    }
    log.info(
        "word vectors of %(dimension)d numbers for %(words)d words: %(vocabulary_share).2f of the vocabulary, "
        "%(train_share).2f of the running words of train",
        coverage,
    )
    return coverage, hashlib.sha256(digest.encode() + vectors.tobytes() + covered.tobytes()).hexdigest()


def _running_words(folder: Path, vocab_size: int) -> NDArray[np.int64]:
    """How often each id occurs in train [words]."""
    ids = read_split(folder, "train").ids
    counts = np.zeros(vocab_size, np.int64)
    for start in range(0, len(ids), CHUNK):
        counts += np.bincount(ids[start : start + CHUNK], minlength=vocab_size)
    return counts
