"""Counterfactual sentences of the reviews that a training learns from, as token ids."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config.labels import LABELS
from pipeline.config.text import TextConfig
from pipeline.text.counterfactuals import make_counterfactuals
from pipeline.text.dataset import EncodedSplit, read_dataset_record
from pipeline.text.rows import stream_texts
from pipeline.text.vocabulary import Encoder, Vocabulary
from pipeline.training.few_reviews import shortage

MAX_SOURCE_TEXTS = 30_000
"""Texts that sentences are taken from, drawn from all: more would make no other sentences."""

log = logging.getLogger(__name__)


def counterfactual_reviews(
    folder: Path, sources: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int8]]], classes: Sequence[str], seed: int
) -> EncodedSplit | None:
    """Return counterfactual sentences of training texts; None where there are none, which is logged.

    A few texts (`shortage`) do not say which words are praise and which are blame. Only of the classes negative
    and positive is it known that negating one gives the other.

    Args:
        folder: as written by `preprocess`.
        sources: rows [n], in ascending order, and labels [n] of the texts, by the name of their split.
        classes: names of the classes, by index.
        seed: seed of the texts that are drawn, and of which rule changes which sentence.

    Raises:
        PipelineError: the texts of a split are missing or damaged.
    """
    labels = np.concatenate([labels for _, labels in sources.values()])
    if tuple(classes) != LABELS:
        log.info("no counterfactual sentences: the classes are not %s and %s", *LABELS)
        return None
    if (few := shortage(labels)) is not None:
        log.info("no counterfactual sentences: %s", few)
        return None
    drawn = np.sort(np.random.default_rng(seed).permutation(len(labels))[:MAX_SOURCE_TEXTS])
    texts: list[str] = []
    start = 0
    for name, (rows, _) in sources.items():
        first, end = np.searchsorted(drawn, (start, start + len(rows)))
        texts += stream_texts(folder, name, rows[drawn[first:end] - start])
        start += len(rows)
    made, labels = make_counterfactuals(texts, labels[drawn], seed)
    if not made:
        return None
    encoder = Encoder(
        TextConfig.model_validate(read_dataset_record(folder).text), Vocabulary.load(folder / "vocab.json")
    )
    ids = [encoder.encode(text) for text in made]
    return EncodedSplit(np.concatenate(ids), np.cumsum([0, *map(len, ids)]), labels)
