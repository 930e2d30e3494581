"""From a corpus in normal form to the encoded dataset, in one tokenising pass.

The vocabulary is known only when all training reviews have been read, so words first get provisional ids in the order
of their appearance; these are translated when the vocabulary stands.
"""

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config import TextConfig
from pipeline.runtime.worker_pool import OrderedMap
from pipeline.text.cleaning import clean
from pipeline.text.dataset import SplitWriter
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import SPECIALS, UNKNOWN, Vocabulary, truncate

Reviews = Iterable[tuple[str, pa.RecordBatch]]
"""Names of splits and rows of each (id, text, label, kept columns)."""
PERCENTILES = (5, 25, 50, 75, 95, 100)


@dataclass
class TokenizedReviews:
    """Reviews of one split."""

    split: str
    rows: pa.RecordBatch
    ids: NDArray[np.int32]
    """Index into the batch's `words` for each token that is kept, review after review."""
    lengths: NDArray[np.int32]
    full_lengths: NDArray[np.int32]
    """Tokens of each review before it is cut."""


@dataclass
class TokenizedBatch:
    """Reviews whose ids hold within the batch."""

    words: pa.StringArray
    counts: NDArray[np.int64]
    """How often each word occurs in training reviews, before they are cut."""
    parts: list[TokenizedReviews]


def encode_corpus(
    folder: Path, config: TextConfig, reviews: Iterable[Reviews], mapping: OrderedMap
) -> tuple[Vocabulary, dict[str, dict[str, Any]], str]:
    """Tokenise reviews, build the vocabulary from those of the train split; write it and all splits into `folder`.

    Args:
        folder: an empty folder.
        config: tokenizer, vocabulary and length limits.
        reviews: a thousand or so at a time, read where they are tokenised.
        mapping: `map`, or that of a `worker_pool`.

    Returns:
        the vocabulary; a summary of each split (reviews, label balance, length in tokens, how many were cut, share of
        unknown words); a digest of vocabulary and arrays.
    """
    ids = defaultdict[str, int](count().__next__)
    counts = array("q")
    lengths: dict[str, Counter[int]] = {}
    cut: Counter[str] = Counter()
    positive: Counter[str] = Counter()
    writers: dict[str, SplitWriter] = {}
    with ExitStack() as stack:
        for batch in mapping(partial(tokenize_batch, config=config), reviews):
            provisional = np.fromiter(map(ids.__getitem__, batch.words.to_pylist()), dtype=np.int32)
            counts.extend([0] * (len(ids) - len(counts)))
            np.frombuffer(counts, np.int64)[provisional] += batch.counts
            for part in batch.parts:
                if part.split not in writers:
                    writers[part.split] = stack.enter_context(SplitWriter(folder / part.split))
                    lengths[part.split] = Counter()
                writers[part.split].add(part.rows, provisional[part.ids], part.lengths)
                lengths[part.split].update(part.full_lengths.tolist())
                cut[part.split] += int((part.full_lengths > part.lengths).sum())
                if "label" in part.rows.schema.names:
                    positive[part.split] += int(part.rows.column("label").to_numpy().sum())

        vocabulary = Vocabulary.build(Counter({word: counts[i] for word, i in ids.items() if counts[i]}), config)
        vocabulary.save(folder / "vocab.json")
        final = vocabulary.ids(ids)
        digest = hashlib.sha256(json.dumps(vocabulary.words).encode())
        summaries = {}
        for split, writer in sorted(writers.items()):
            unknown_share = writer.finish(final, digest)
            size = lengths[split].total()
            summaries[split] = {
                "reviews": size,
                **({} if split == "unlabelled" else _balance(positive[split], size)),
                "tokens": _percentiles(lengths[split]),
                "cut": cut[split],
                "unknown_word_share": round(unknown_share, 5),
            }
    return vocabulary, summaries, digest.hexdigest()


def tokenize_batch(reviews: Reviews, config: TextConfig) -> TokenizedBatch:
    """Clean and tokenise reviews."""
    splits = list(reviews)
    texts = [[clean(text) for text in rows.column("text").to_pylist()] for _, rows in splits]
    tokens = Tokenizer(config.tokenizer).batch(list(chain.from_iterable(texts)), empty=SPECIALS[UNKNOWN])
    words = tokens.flatten().dictionary_encode()
    ids = words.indices.to_numpy()
    tokenized = (ids[start:end] for start, end in pairwise(tokens.offsets.to_pylist()))
    counts = np.zeros(len(words.dictionary), np.int64)
    parts = []
    for (split, rows), cleaned in zip(splits, texts, strict=True):
        full = list(islice(tokenized, len(rows)))
        kept = [truncate(review, config) for review in full]
        if split == "train":
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


def _percentiles(lengths: Counter[int]) -> dict[str, int]:
    values, counts = zip(*sorted(lengths.items()), strict=True)
    ends = np.cumsum(counts)
    ranks = np.ceil((ends[-1] - 1) * (np.array(PERCENTILES) / 100))  # from 0; between two reviews the longer counts
    found = np.searchsorted(ends, ranks, side="right")
    return {f"p{p}": values[index] for p, index in zip(PERCENTILES, found, strict=True)}


def _balance(positive: int, reviews: int) -> dict[str, float]:
    return {"positive": positive, "positive_share": round(positive / reviews, 4)}
