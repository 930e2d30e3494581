"""From a corpus in normal form to the encoded dataset, in one tokenising pass.

The vocabulary is known only when all training reviews have been read, so words first get provisional ids in the order
of their appearance; these are translated when the vocabulary stands.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config import TextConfig
from pipeline.parallel import OrderedMap
from pipeline.text.cleaning import clean
from pipeline.text.dataset import SplitWriter
from pipeline.text.tokenizer import tokenizer
from pipeline.text.vocabulary import SPECIALS, UNKNOWN, Vocabulary, truncate

PERCENTILES = (5, 25, 50, 75, 95, 100)


@dataclass
class TokenizedBatch:
    """Reviews of one split with ids that hold within the batch."""

    split: str
    rows: pa.RecordBatch
    words: list[str]
    counts: NDArray[np.int64]
    """How often each word occurs, before reviews are cut."""
    ids: NDArray[np.int32]
    """Index into `words` for each token that is kept, review after review."""
    lengths: NDArray[np.int32]
    full_lengths: NDArray[np.int32]


def encode_corpus(
    folder: Path, config: TextConfig, reviews: Iterable[tuple[str, pa.RecordBatch]], mapping: OrderedMap
) -> tuple[Vocabulary, dict[str, dict[str, Any]], str]:
    """Tokenise reviews, build the vocabulary from those of the train split, and write all splits under `folder`.

    Args:
        folder: an empty folder.
        config: tokenizer, vocabulary and length limits.
        reviews: split names and rows (id, text, label, kept columns); a row's split is that of its batch.
        mapping: `map`, or that of a `worker_pool`.

    Returns:
        the vocabulary; a summary of each split (reviews, label balance, length in tokens, how many were cut, share of
        unknown words); a digest of vocabulary and arrays.
    """
    ids: dict[str, int] = {}
    counts = array("q")
    full_lengths: dict[str, array[int]] = {}
    cut: Counter[str] = Counter()
    positive: Counter[str] = Counter()
    writers: dict[str, SplitWriter] = {}
    with ExitStack() as stack:
        for batch in mapping(partial(tokenize_batch, config=config), reviews):
            if batch.split not in writers:
                writers[batch.split] = stack.enter_context(SplitWriter(folder / batch.split))
                full_lengths[batch.split] = array("i")
            provisional = np.fromiter((ids.setdefault(word, len(ids)) for word in batch.words), dtype=np.int32)
            counts.extend([0] * (len(ids) - len(counts)))
            if batch.split == "train":
                np.frombuffer(counts, np.int64)[provisional] += batch.counts
            writers[batch.split].add(batch.rows, provisional[batch.ids], batch.lengths)
            full_lengths[batch.split].extend(batch.full_lengths.tolist())
            cut[batch.split] += int((batch.full_lengths > batch.lengths).sum())
            if "label" in batch.rows.schema.names:
                positive[batch.split] += int(batch.rows.column("label").to_numpy().sum())

        vocabulary = Vocabulary.build(Counter({word: counts[i] for word, i in ids.items() if counts[i]}), config)
        final = vocabulary.ids(ids)
        digest = hashlib.sha256(json.dumps(vocabulary.words).encode())
        summaries = {}
        for split, writer in sorted(writers.items()):
            unknown_share = writer.finish(final, digest)
            lengths = np.frombuffer(full_lengths[split], np.int32)
            summaries[split] = {
                "reviews": len(lengths),
                **({} if split == "unlabelled" else _balance(positive[split], len(lengths))),
                "tokens": {f"p{p}": int(np.percentile(lengths, p, method="higher")) for p in PERCENTILES},
                "cut": cut[split],
                "unknown_word_share": round(unknown_share, 5),
            }
    return vocabulary, summaries, digest.hexdigest()


def tokenize_batch(item: tuple[str, pa.RecordBatch], config: TextConfig) -> TokenizedBatch:
    """Clean and tokenise the reviews of a batch."""
    split, rows = item
    tokenize = tokenizer(config.tokenizer)
    texts = [clean(text) for text in rows.column("text").to_pylist()]
    rows = rows.set_column(rows.schema.get_field_index("text"), "text", pa.array(texts, pa.string()))
    local: dict[str, int] = {}
    reviews = [
        np.fromiter((local.setdefault(word, len(local)) for word in tokenize(text) or [SPECIALS[UNKNOWN]]), np.int32)
        for text in texts
    ]
    kept = [truncate(review, config) for review in reviews]
    return TokenizedBatch(
        split,
        rows,
        list(local),
        np.bincount(np.concatenate(reviews), minlength=len(local)),
        np.concatenate(kept),
        np.array([len(review) for review in kept], np.int32),
        np.array([len(review) for review in reviews], np.int32),
    )


def _balance(positive: int, reviews: int) -> dict[str, float]:
    return {"positive": positive, "positive_share": round(positive / reviews, 4)}
