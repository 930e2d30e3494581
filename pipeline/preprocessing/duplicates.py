"""Reviews that occur more than once, and which of them stay."""

import hashlib
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRECEDENCE = ("test", "validation", "train", "unlabelled")
"""In the order in which a repeated review is kept: what judges a model is never touched, what trains it yields."""

UNLABELLED = -1

_NO_LETTER = re.compile(r"[\W_]+")
_NO_ASCII_LETTER = bytes(code for code in range(128) if not chr(code).isalnum())
"""The ASCII characters among them: `bytes.translate` deletes these many times faster."""


def near_key(text: str) -> int:
    """64-bit hash that two texts share if they differ only in case, punctuation and spacing.

    A text without any letter or digit has the key of its exact characters.
    """
    letters = _encode(text.casefold()).translate(None, _NO_ASCII_LETTER)
    if not letters.isascii():
        letters = _encode(_NO_LETTER.sub("", letters.decode("utf-8", "surrogatepass")))
    return _hash(letters or _encode(text))


def exact_key(text: str) -> int:
    """32-bit checksum of the text as it is; compared only among texts of one `near_key`."""
    return zlib.crc32(_encode(text))


def group_key(group: str) -> int:
    """64-bit hash of a group's name."""
    return _hash(_encode(group))


def _encode(text: str) -> bytes:
    # surrogates cannot be encoded otherwise, and a hash need not be decoded
    return text.encode("utf-8", "surrogatepass")


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@dataclass
class Keys:
    """What is remembered of each review while duplicates are sought: 14 bytes, 22 where the corpus knows groups."""

    near: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    group: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """Equal for reviews that are held out together; where the corpus knows no groups, `near` itself."""
    exact: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    label: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    split: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    """Index into `PRECEDENCE`."""


def find_duplicates(keys: Keys) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Which reviews to keep [n], and a report.

    Of reviews that share a `near_key` all those of the test split stay; where there are none, the first of the first
    split in the order of `PRECEDENCE`. The report counts repeats (every review of a group but the first in that order),
    within one split and across two, exact and near-exact ones; what was dropped of each split; and the groups whose
    members bear both labels.
    """
    order = np.lexsort((keys.split, keys.near))  # stable: within a split the earlier review comes first
    near = keys.near[order]
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = near[1:] == near[:-1]
    del near
    place = np.arange(len(order), dtype=np.int32)
    place[again] = 0
    np.maximum.accumulate(place, out=place)  # where in `order` the first of each group is
    leader, repeat = order[place[again]], order[again]
    del order, place

    dropped = repeat[keys.split[repeat] != PRECEDENCE.index("test")]
    keep = np.ones(len(keys.split), dtype=np.bool_)
    keep[dropped] = False

    # one bit for each label seen in a group, gathered in its first review; unlabelled reviews set none
    bits = np.where(keys.label == UNLABELLED, 0, 1 << np.maximum(keys.label, 0)).astype(np.int8)
    np.bitwise_or.at(bits, leader, bits[repeat])
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
        "label_conflicts": int((bits == 0b11).sum()),
    }
