"""Encoding: from a corpus in canonical form to the dataset of token ids, in one tokenising pass.

The vocabulary is complete only when all training reviews have been read. So words first get provisional ids in the
order of their appearance, which are translated at the end.
"""

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config.split import TRAINING_SPLITS
from pipeline.config.text import TextConfig
from pipeline.preprocessing.split_writer import SplitWriter
from pipeline.runtime.worker_pool import OrderedMap
from pipeline.text.cleaning import clean, prepare
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import SPECIALS, UNKNOWN, Vocabulary, truncate

RowsBySplit = Iterable[tuple[str, pa.RecordBatch]]
"""Names of splits, each with rows of it (id, text, label, kept columns)."""
LENGTH_PERCENTILES = (5, 25, 50, 75, 95, 100)


@dataclass
class TokenizedReviews:
    """Tokenised reviews of one split."""

    split: str
    rows: pa.RecordBatch
    ids: NDArray[np.int32]
    """Index into the batch's `words` of each token that is kept, review after review [tokens]."""
    lengths: NDArray[np.int32]
    """Tokens kept of each review [reviews]."""
    full_lengths: NDArray[np.int32]
    """Tokens of each review before truncation [reviews]."""


@dataclass
class TokenizedBatch:
    """Tokenised reviews, with token ids that hold within the batch."""

    words: pa.StringArray
    counts: NDArray[np.int64]
    """Occurrences of each word in training reviews, before truncation [words]."""
    parts: list[TokenizedReviews]


def encode_corpus(
    folder: Path,
    config: TextConfig,
    reviews: Iterable[RowsBySplit],
    ordered_map: OrderedMap,
    classes: Sequence[str],
    tokenizer_model: bytes | None = None,
) -> tuple[Vocabulary, dict[str, dict[str, Any]], str]:
    """Tokenise reviews, build the vocabulary from the training splits, and write it and all splits into `folder`.

    Args:
        folder: an empty folder.
        config: tokenizer, vocabulary and length limits.
        reviews: batches of about a thousand reviews, which the worker that tokenises them also reads.
        ordered_map: `map`, or the map of a `worker_pool`.
        classes: names of the classes, by index.
        tokenizer_model: model of the tokenizer, if it is a learned one.

    Returns:
        the vocabulary; a summary of each split (reviews, reviews of each class, lengths in tokens, number of truncated
        reviews, share of unknown words); and a digest of vocabulary and arrays.
    """
    ids = defaultdict[str, int](count().__next__)
    counts = array("q")
    lengths: dict[str, Counter[int]] = {}
    cut: Counter[str] = Counter()
    labels: dict[str, NDArray[np.int64]] = {}
    writers: dict[str, SplitWriter] = {}
    with ExitStack() as stack:
        for batch in ordered_map(partial(tokenize_batch, config=config, tokenizer_model=tokenizer_model), reviews):
            provisional = np.fromiter(map(ids.__getitem__, batch.words.to_pylist()), dtype=np.int32)
            counts.extend([0] * (len(ids) - len(counts)))
            np.frombuffer(counts, np.int64)[provisional] += batch.counts
            for part in batch.parts:
                if part.split not in writers:
                    writers[part.split] = stack.enter_context(SplitWriter(folder / part.split))
                    lengths[part.split] = Counter()
                    labels[part.split] = np.zeros(len(classes), np.int64)
                writers[part.split].add(part.rows, provisional[part.ids], part.lengths)
                lengths[part.split].update(part.full_lengths.tolist())
                cut[part.split] += int((part.full_lengths > part.lengths).sum())
                if "label" in part.rows.schema.names:
                    labels[part.split] += np.bincount(part.rows.column("label").to_numpy(), minlength=len(classes))

        occurrences = Counter({word: counts[i] for word, i in ids.items() if counts[i]})
        vocabulary = Vocabulary.build(occurrences, config, lengths["train"].total(), tokenizer_model)
        vocabulary.save(folder / "vocab.json")
        final = vocabulary.ids(ids)
        digest = hashlib.sha256(json.dumps(vocabulary.words).encode())
        digest.update(tokenizer_model or b"")
        summaries = {}
        for split, writer in sorted(writers.items()):
            unknown_share = writer.finish(final, digest)
            size = lengths[split].total()
            summaries[split] = {
                "reviews": size,
                **({} if split == "unlabelled" else _reviews_by_class(classes, labels[split])),
                "tokens": _length_percentiles(lengths[split]),
                "cut": cut[split],
                "unknown_word_share": round(unknown_share, 5),
            }
    return vocabulary, summaries, digest.hexdigest()


def tokenize_batch(reviews: RowsBySplit, config: TextConfig, tokenizer_model: bytes | None = None) -> TokenizedBatch:
    """Clean and tokenise reviews."""
    splits = list(reviews)
    texts = [[clean(text) for text in rows.column("text").to_pylist()] for _, rows in splits]
    prepared = [prepare(text, config) for text in chain.from_iterable(texts)]
    tokens = Tokenizer(config.tokenizer, tokenizer_model).batch(prepared, empty=SPECIALS[UNKNOWN])
    words = tokens.flatten().dictionary_encode()
    ids = words.indices.to_numpy()
    tokenized = (ids[start:end] for start, end in pairwise(tokens.offsets.to_pylist()))
    counts = np.zeros(len(words.dictionary), np.int64)
    parts = []
    for (split, rows), cleaned in zip(splits, texts, strict=True):
        full = list(islice(tokenized, len(rows)))
        kept = [truncate(review, config) for review in full]
        if split in TRAINING_SPLITS:
            counts += np.bincount(np.concatenate(full), minlength=len(counts))
        parts.append(
            TokenizedReviews(
                split,
                rows.set_column(rows.schema.get_field_index("text"), "text", pa.array(cleaned, pa.string())),
                np.concatenate(kept),
                np.array([len(review) for review in kept], np.int32),
                np.array([len(review) for review in full], np.int32),
            )
        )
    return TokenizedBatch(words.dictionary, counts, parts)


def _reviews_by_class(classes: Sequence[str], counts: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    return {"classes": dict(zip(classes, counts.tolist(), strict=True))}


def _length_percentiles(lengths: Counter[int]) -> dict[str, int]:
    values, counts = zip(*sorted(lengths.items()), strict=True)
    ends = np.cumsum(counts)
    ranks = np.ceil(
        (ends[-1] - 1) * (np.array(LENGTH_PERCENTILES) / 100)
    )  # from 0; between two reviews, the longer one
    indices = np.searchsorted(ends, ranks, side="right")
    return {f"p{p}": values[index] for p, index in zip(LENGTH_PERCENTILES, indices, strict=True)}
