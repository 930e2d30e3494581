"""Duplicate reviews: found by hashes, and dropped."""

import hashlib
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from pipeline.config.corpus import Duplicates
from pipeline.config.split import AUXILIARY_TEST
from pipeline.runtime.garbage import importing
from pipeline.text.normalisation import smileys_as_emoji

PRECEDENCE = ("test", "validation", "train", AUXILIARY_TEST, "auxiliary", "unlabelled")
"""Splits in the order in which they keep a duplicate: those that judge a model come before those that train it,
and the corpus before auxiliary texts."""

NO_LABEL = -1
"""Label of unlabelled reviews."""

_NO_LETTER = re.compile(r"[\W_]+")
_NO_ASCII_LETTER = bytes(code for code in range(128) if not chr(code).isalnum())
"""ASCII characters that `_NO_LETTER` matches: `bytes.translate` deletes them many times faster."""
_BETWEEN_DIGITS = regex.compile(r"\d[\W_]++(?=\d)")
"""A digit and the punctuation and space before the next, as in 10/10; `regex` is four times as fast here as `re`."""
_PLUS, _MINUS = re.compile(r"\+(?=\d)(?<!\w\+)"), re.compile(r"[-\u2212](?=\d)(?<!\w[-\u2212])")
"""Signs before a number; a pattern that begins with a character is found fastest."""
_AS_ASCII = str.maketrans("\u2212\u066b\u066c", "-.,")
"""Minus sign, and the Arabic decimal and thousands separators, as the ASCII punctuation of the same meaning."""
_SIGNS, _OTHER_SIGN = 0xE000, "\ue080"
"""First of the characters for private use that stand for the ASCII punctuation of numbers, and that for any other."""
_MEANINGLESS = regex.compile(r"[^\p{L}\p{N}\p{M}\p{So}\ue000-\ue080]+|[\ufe00-\ufe0f©®™℠▪◦●]+")
"""Characters in which near duplicates differ: all but letters, digits, combining marks, emoji and other symbols."""


def letters_key(text: str) -> int:
    """Return a 64-bit hash of the letters and digits of a text, whose case does not matter.

    A text without any is hashed as it is.
    """
    letters = _encode(text.casefold()).translate(None, _NO_ASCII_LETTER)
    if not letters.isascii():
        letters = _encode(_NO_LETTER.sub("", letters.decode("utf-8", "surrogatepass")))
    return _hash(letters or _encode(text))


def near_key(text: str) -> int:
    """Return a 64-bit hash that texts share if they differ only in case, punctuation and spacing.

    Emoji, smileys, combining marks such as vowel signs, and the signs of numbers tell texts apart. A text without any
    of them and without a letter or digit is hashed as it is.
    """
    marked = smileys_as_emoji(text.casefold())
    marked = _BETWEEN_DIGITS.sub(lambda match: _with_kept_sign(match[0]), marked)
    for signs in (_PLUS, _MINUS):
        marked = signs.sub(lambda match: _with_kept_sign(match[0]), marked)
    kept = _encode(marked).translate(None, _NO_ASCII_LETTER)
    if not kept.isascii():
        characters = unicodedata.normalize("NFC", kept.decode("utf-8", "surrogatepass"))
        kept = _encode(_MEANINGLESS.sub("", characters))
    return _hash(kept or _encode(text))


def _with_kept_sign(text: str) -> str:
    """Return the digit, if there is one, and for the punctuation after it one character: by its first but space."""
    digit = text[0] if text[0].isdigit() else ""
    sign = (text.removeprefix(digit).strip()[:1] or " ").translate(_AS_ASCII)
    return digit + (chr(_SIGNS + ord(sign)) if sign.isascii() else _OTHER_SIGN)


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
    """Hashes, label and split of each review, to find duplicates by: 22 bytes a review."""

    near: NDArray[np.uint64]
    group: NDArray[np.uint64]
    """Key that reviews share if they are held out together; their `letters_key` if the corpus has no groups."""
    exact: NDArray[np.uint32]
    label: NDArray[np.int8]
    split: NDArray[np.int8]
    """Index into `PRECEDENCE`."""

    def in_split(self, *names: str) -> NDArray[np.bool_]:
        """Return True for each review that is at present in one of the splits of these names [n]."""
        return np.isin(self.split, [PRECEDENCE.index(name) for name in names])


class _Alike(NamedTuple):
    """Reviews grouped by their `near_key`, the one that comes first in the order of `PRECEDENCE` leading its group."""

    order: NDArray[np.int64]
    """Rows of the reviews, group after group [reviews]."""
    starts: NDArray[np.int64]
    """Index in `order` of the leader of each group [groups]."""
    repeat: NDArray[np.int64]
    """Rows of the reviews that lead no group [repeats]."""
    leader: NDArray[np.int64]
    """Row of the leader of the group of each repeat [repeats]."""


def find_duplicates(
    keys: ReviewKeys, keep: NDArray[np.bool_], policy: Duplicates
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Find the reviews that share a `near_key`, and decide which of them to keep.

    Of reviews alike, all of the test split are kept. If there are none, the first of the first split in the order of
    `PRECEDENCE` is; where this split's own have several labels, the first with that of the majority, and of a tie none.

    Args:
        keys: of all reviews, with the splits that the corpus brings.
        keep: True for each review that is kept so far [n]; the others count for nothing.
        policy: `drop` or `weight` as said, or `keep` all, which only counts.

    Returns:
        True for each review to keep [n]; and a report. It counts labelled repeats (all reviews alike but the first in
        that order), exact and near-exact ones; those without a label; both within a split and across two; reviews
        dropped from each split; texts with several labels, those that have them in the test split, the reviews that
        contradict most others of the same text, and the labelled ones left out for a tie.
    """
    keep, groups, in_test = keep.copy(), _group_alike(keys, keep), keys.in_split("test")
    if policy != "keep":
        keep[groups.repeat[~in_test[groups.repeat]]] = False
    contradicting = tied = kept_by_test = 0
    conflicting = _groups_of_several_labels(keys, groups)
    for alike in conflicting:
        contradicting += _contradicting(keys.label[alike])
        if policy != "keep" and not _settle(keys, alike, keep):
            tied += int((keys.label[alike] != NO_LABEL).sum())
        kept_by_test += len(np.unique(keys.label[alike[in_test[alike]]])) > 1
    return keep, {
        **_count_repeats(keys, groups),
        "dropped": count_splits(keys.split[groups.order[~keep[groups.order]]]),
        "label_conflicts": len(conflicting),
        "kept_by_test": kept_by_test,
        "contradicting": contradicting,
        "tied": tied,
    }


def _group_alike(keys: ReviewKeys, among: NDArray[np.bool_]) -> _Alike:
    """Group the reviews that `among` is True for [n]."""
    order = np.flatnonzero(among)
    order = order[np.lexsort((keys.split[order], keys.near[order]))]  # stable: in a split the earlier comes first
    near = keys.near[order]
    is_repeat = np.zeros(len(order), dtype=np.bool_)
    is_repeat[1:] = near[1:] == near[:-1]
    del near  # of a large corpus these arrays take much memory
    leader_at = np.arange(len(order), dtype=np.int32)
    leader_at[is_repeat] = 0
    np.maximum.accumulate(leader_at, out=leader_at)  # index in `order` of the leader of each review's group
    return _Alike(order, np.flatnonzero(~is_repeat), order[is_repeat], order[leader_at[is_repeat]])


def _groups_of_several_labels(keys: ReviewKeys, groups: _Alike) -> list[NDArray[np.int64]]:
    """Return the rows [n] of each group whose labelled reviews do not agree."""
    # the lowest and the highest label of a group, collected at its leader; unlabelled reviews have none
    lowest = np.where(keys.label == NO_LABEL, np.iinfo(np.int8).max, keys.label)
    highest = keys.label.copy()
    np.minimum.at(lowest, groups.leader, lowest[groups.repeat])
    np.maximum.at(highest, groups.leader, highest[groups.repeat])
    conflicting = np.flatnonzero((lowest < highest)[groups.order[groups.starts]])
    ends = np.append(groups.starts[1:], len(groups.order))
    return [groups.order[groups.starts[group] : ends[group]] for group in conflicting]


def _count_repeats(keys: ReviewKeys, groups: _Alike) -> dict[str, Any]:
    """Count the labelled repeats, exact and near-exact, the unlabelled ones, and both by split and pair of splits."""
    leader, repeat = groups.leader, groups.repeat
    labelled = keys.label[repeat] != NO_LABEL
    exact = (keys.exact[repeat] == keys.exact[leader])[labelled]
    pairs = np.zeros((len(PRECEDENCE), len(PRECEDENCE)), dtype=np.int64)
    np.add.at(pairs, (keys.split[leader], keys.split[repeat]), 1)
    return {
        "repeats": len(exact),
        "exact": int(exact.sum()),
        "near_exact": int((~exact).sum()),
        "unlabelled": int((~labelled).sum()),
        "within": {name: int(pairs[i, i]) for i, name in enumerate(PRECEDENCE) if pairs[i, i]},
        "across": {
            f"{PRECEDENCE[i]}-{PRECEDENCE[j]}": int(pairs[i, j])
            for i in range(len(PRECEDENCE))
            for j in range(i + 1, len(PRECEDENCE))
            if pairs[i, j]
        },
    }


def count_splits(split: NDArray[np.int8]) -> dict[str, int]:
    """Count the reviews of each split that has any; `split` holds indices into `PRECEDENCE` [n]."""
    counts = np.bincount(split, minlength=len(PRECEDENCE)).tolist()
    return {name: count for name, count in zip(PRECEDENCE, counts, strict=True) if count}


def with_duplicates(keys: ReviewKeys) -> NDArray[np.uint64]:
    """Return the groups [n] of a corpus without groups, where those that share a `near_key` are made one.

    The letters of a text are not enough: as smileys and combining marks may be written, near duplicates differ in them.
    """
    with importing():  # not above: only duplicates=keep needs it
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

    order = np.lexsort((keys.group, keys.near))
    near, group = keys.near[order], keys.group[order]
    linked = (near[1:] == near[:-1]) & (group[1:] != group[:-1])
    names, ends = np.unique(np.concatenate([group[:-1][linked], group[1:][linked]]), return_inverse=True)
    links = coo_array((np.ones(len(ends) // 2), np.split(ends, 2)), shape=(len(names), len(names)))
    _, component = connected_components(links, directed=False)
    _, firsts = np.unique(component, return_index=True)
    groups = keys.group.copy()
    joined = np.isin(groups, names)
    groups[joined] = names[firsts[component[np.searchsorted(names, groups[joined])]]]
    return groups


def _contradicting(labels: NDArray[np.int8]) -> int:
    """Count the labels other than the most frequent one."""
    votes = Counter(labels[labels != NO_LABEL].tolist())
    return votes.total() - max(votes.values())


def _settle(keys: ReviewKeys, alike: NDArray[np.int64], keep: NDArray[np.bool_]) -> bool:
    """Keep of reviews alike, in order, the first with the label of the majority; False if there is none."""
    first_split = keys.split[alike[0]]
    if PRECEDENCE[first_split] == "test":
        return True
    leading = alike[keys.split[alike] == first_split]
    (winner, votes), *others = Counter(keys.label[leading].tolist()).most_common()
    keep[leading] = False
    if others and others[0][1] == votes:
        return False
    keep[leading[keys.label[leading] == winner][0]] = True
    return True


def count_copies(keys: ReviewKeys, among: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Count the reviews that have the split, the label and the `near_key` of each review, itself among them.

    For one that `find_duplicates` kept outside the test split, these are the reviews that it stands for: those of its
    text that voted for its label.

    Args:
        keys: of all reviews, with the splits that the corpus brings.
        among: True for each review that counts [n].

    Returns:
        the number for each review that counts, and 0 for the others [n].
    """
    rows = np.flatnonzero(among)
    rows = rows[np.lexsort((keys.near[rows], keys.label[rows], keys.split[rows]))]
    differs = np.zeros(len(rows), np.bool_)
    for part in (keys.split, keys.label, keys.near):
        differs[1:] |= part[rows[1:]] != part[rows[:-1]]
    starts = np.flatnonzero(np.append(True, differs[1:])[: len(rows)])
    sizes = np.diff(starts, append=len(rows))
    copies = np.zeros(len(keys.near), np.int32)
    copies[rows] = np.repeat(sizes, sizes)
    return copies


def count_classes(keys: ReviewKeys, mask: NDArray[np.bool_], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count the reviews of each class in each labelled split, of those where `mask` is True [n]."""
    labelled = mask & (keys.label != NO_LABEL)
    splits = {name: labelled & (keys.split == index) for index, name in enumerate(PRECEDENCE)}
    return {
        name: dict(zip(classes, np.bincount(keys.label[rows], minlength=len(classes)).tolist(), strict=True))
        for name, rows in splits.items()
        if rows.any()
    }
