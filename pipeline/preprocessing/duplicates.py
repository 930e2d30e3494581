"""Duplicate reviews: found by hashes, and dropped."""

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.split import AUXILIARY_TEST

PRECEDENCE = ("test", "validation", "train", AUXILIARY_TEST, "auxiliary", "unlabelled")
"""Splits in the order in which they keep a duplicate: those that judge a model come before those that train it,
and the corpus before auxiliary texts."""

NO_LABEL = -1
"""Label of unlabelled reviews."""

_NO_LETTER = re.compile(r"[\W_]+")
_NO_ASCII_LETTER = bytes(code for code in range(128) if not chr(code).isalnum())
"""ASCII characters that `_NO_LETTER` matches: `bytes.translate` deletes them many times faster."""


def near_key(text: str) -> int:
    """Return a 64-bit hash that texts share if they differ only in case, punctuation and spacing.

    A text without a letter or digit is hashed as it is.
    """
    letters = _encode(text.casefold()).translate(None, _NO_ASCII_LETTER)
    if not letters.isascii():
        letters = _encode(_NO_LETTER.sub("", letters.decode("utf-8", "surrogatepass")))
    return _hash(letters or _encode(text))


def exact_key(text: str) -> int:
    """Return a 32-bit checksum of a text as it is; it is compared only among texts of one `near_key`."""
    return zlib.crc32(_encode(text))


def group_key(group: str) -> int:
    """Return a 64-bit hash of a group's name."""
    return _hash(_encode(group))


def _encode(text: str) -> bytes:
    # lone surrogates can be encoded only so; a hash is never decoded
    return text.encode("utf-8", "surrogatepass")


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@dataclass
class ReviewKeys:
    """Hashes, label and split of each review, to find duplicates by: 14 bytes a review, 22 if the corpus has groups."""

    near: NDArray[np.uint64]
    group: NDArray[np.uint64]
    """Key that reviews share if they are held out together; `near` itself if the corpus has no groups."""
    exact: NDArray[np.uint32]
    label: NDArray[np.int8]
    split: NDArray[np.int8]
    """Index into `PRECEDENCE`."""


def find_duplicates(keys: ReviewKeys) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Find the reviews that share a `near_key`, and decide which of them to keep.

    Of such a group all reviews of the test split are kept; if there are none, the first review of the first split in
    the order of `PRECEDENCE`.

    Returns:
        True for each review to keep [n]; and a report. It counts repeats (all reviews of a group but the first in that
        order), exact and near-exact ones, within a split and across two; reviews dropped from each split; and groups
        whose members have different labels.
    """
    order = np.lexsort((keys.split, keys.near))  # stable: within a split the earlier review comes first
    near = keys.near[order]
    is_repeat = np.zeros(len(order), dtype=np.bool_)
    is_repeat[1:] = near[1:] == near[:-1]
    del near
    place = np.arange(len(order), dtype=np.int32)
    place[is_repeat] = 0
    np.maximum.accumulate(place, out=place)  # index in `order` of the first review of each group
    leader, repeat = order[place[is_repeat]], order[is_repeat]
    del order, place

    dropped = repeat[keys.split[repeat] != PRECEDENCE.index("test")]
    keep = np.ones(len(keys.split), dtype=np.bool_)
    keep[dropped] = False

    # the lowest and the highest label of a group, collected at its first review; unlabelled reviews have none
    lowest = np.where(keys.label == NO_LABEL, np.iinfo(np.int8).max, keys.label)
    highest = keys.label.copy()
    np.minimum.at(lowest, leader, lowest[repeat])
    np.maximum.at(highest, leader, highest[repeat])
    exact = keys.exact[repeat] == keys.exact[leader]
    pairs = np.zeros((len(PRECEDENCE), len(PRECEDENCE)), dtype=np.int64)
    np.add.at(pairs, (keys.split[leader], keys.split[repeat]), 1)
    counts = np.bincount(keys.split[dropped], minlength=len(PRECEDENCE))
    return keep, {
        "repeats": len(repeat),
        "exact": int(exact.sum()),
        "near_exact": int((~exact).sum()),
        "within": {name: int(pairs[i, i]) for i, name in enumerate(PRECEDENCE) if pairs[i, i]},
        "across": {
            f"{PRECEDENCE[i]}-{PRECEDENCE[j]}": int(pairs[i, j])
            for i in range(len(PRECEDENCE))
            for j in range(i + 1, len(PRECEDENCE))
            if pairs[i, j]
        },
        "dropped": {name: int(counts[i]) for i, name in enumerate(PRECEDENCE) if counts[i]},
        "label_conflicts": int((lowest < highest).sum()),
    }
