"""Pre-trained word vectors for the words of a dataset."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.text import Vectors
from pipeline.preprocessing.vector_source import find_vectors
from pipeline.runtime.arrays import NUMBERS_PER_CHUNK
from pipeline.text.vocabulary import SPECIALS, Vocabulary

log = logging.getLogger(__name__)


def add_vectors(folder: Path, config: Vectors, vocabulary: Vocabulary, digest: str) -> tuple[dict[str, Any], str]:
    """Write the vectors of a dataset's words, and which words have one, into its folder.

    Args:
        folder: folder of a dataset whose splits are written.
        config: source of the vectors.
        vocabulary: words of the dataset.
        digest: digest of the dataset so far.

    Returns:
        the coverage (dimension; words with a vector; their share of the vocabulary, without padding and the unknown
        word; their share of the running words of the training split); and the digest of the dataset with its vectors.

    Raises:
        PipelineError: as `pipeline.preprocessing.vector_source.find_vectors`.
    """
    words = vocabulary.words[len(SPECIALS) :]
    rows, available = find_vectors(config, set(words))
    vectors = vocabulary.arrange(available, rows)
    covered = np.array([word in rows for word in vocabulary.words])
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "vectors_covered.npy", covered)
    occurrences = _occurrences(folder, len(vocabulary))
    coverage = {
        "dimension": vectors.shape[1],
        "words": int(covered.sum()),
        "vocabulary_share": round(float(covered.sum()) / len(words), 5),
        "train_share": round(float(occurrences[covered].sum() / occurrences.sum()), 5),
    }
    log.info(
        "word vectors of %(dimension)d numbers for %(words)d words: %(vocabulary_share).2f of the vocabulary, "
        "%(train_share).2f of the running words of train",
        coverage,
    )
    return coverage, hashlib.sha256(digest.encode() + vectors.tobytes() + covered.tobytes()).hexdigest()


def _occurrences(folder: Path, vocab_size: int) -> NDArray[np.int64]:
    """Count the occurrences of each token id in the training split [words]."""
    # not with `read_split`, which needs `dataset.json`: that is written last
    ids = np.load(folder / "train" / "ids.npy", mmap_mode="r")
    counts = np.zeros(vocab_size, np.int64)
    for start in range(0, len(ids), NUMBERS_PER_CHUNK):
        counts += np.bincount(ids[start : start + NUMBERS_PER_CHUNK], minlength=vocab_size)
    return counts
