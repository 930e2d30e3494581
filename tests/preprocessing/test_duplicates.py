"""Duplicate reviews: which are alike, and which are kept."""

import hashlib
import sys

import numpy as np
import pytest

from pipeline.preprocessing.duplicates import PRECEDENCE, ReviewKeys, exact_key, find_duplicates, near_key


def keys(rows):
    """`ReviewKeys` of (split, text, label) rows without groups; label None for unlabelled reviews."""
    near = np.array([near_key(text) for _, text, _ in rows], np.uint64)
    return ReviewKeys(
        near=near,
        group=near,
        exact=np.array([exact_key(text) for _, text, _ in rows], np.uint32),
        label=np.array([-1 if label is None else label for _, _, label in rows], np.int8),
        split=np.array([PRECEDENCE.index(split) for split, _, _ in rows], np.int8),
    )


@pytest.mark.parametrize("other", ["a fine film", "A FINE FILM!", "a  fine\tfilm...", '"A fine film," a-fine'[:13]])
def test_texts_alike_but_for_case_punctuation_and_spacing_share_a_key(other):
    assert near_key("A fine film.") == near_key(other)


@pytest.mark.parametrize("other", ["A fine film 2", "A fin film", "Á fine film", ""])
def test_other_texts_do_not(other):
    assert near_key("A fine film.") != near_key(other)


def test_a_key_is_the_hash_of_the_letters_and_digits_of_any_alphabet():
    for start in range(0, sys.maxunicode, 64):  # lone surrogates, too
        text = "".join(map(chr, range(start, start + 64)))
        kept = "".join(filter(str.isalnum, text.casefold())) or text
        digest = hashlib.blake2b(kept.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        assert near_key(text) == int.from_bytes(digest, "little"), hex(start)


def test_texts_without_letters_are_alike_only_if_the_same():
    assert near_key("!!!") != near_key("...")
    assert near_key("!!!") == near_key("!!!")


def test_duplicates_are_dropped_from_training_and_never_from_test():
    rows = [
        ("train", "One.", 1),
        ("train", "one", 1),  # near, within train
        ("train", "Two", 0),  # exact, in test
        ("train", "three!", 0),  # near, in validation
        ("train", "alone", 1),
        ("validation", "Three", 0),
        ("validation", "five", 1),  # exact, in test
        ("test", "Two", 0),
        ("test", "two.", 0),  # near, within test
        ("test", "five", 1),
        ("unlabelled", "TWO", None),
        ("unlabelled", "seven", None),
    ]
    keep, report = find_duplicates(keys(rows))
    assert [text for (_, text, _), kept in zip(rows, keep, strict=True) if kept] == [
        *("One.", "alone"),
        "Three",
        *("Two", "two.", "five"),
        "seven",
    ]
    assert report == {
        "repeats": 6,
        "exact": 2,
        "near_exact": 4,
        "within": {"test": 1, "train": 1},
        "across": {"test-validation": 1, "test-train": 1, "test-unlabelled": 1, "validation-train": 1},
        "dropped": {"validation": 1, "train": 3, "unlabelled": 1},
        "label_conflicts": 0,
    }


def test_label_conflicts_are_reported():
    rows = [("train", "same", 1), ("test", "Same!", 0), ("train", "other", 1), ("unlabelled", "other", None)]
    assert find_duplicates(keys(rows))[1]["label_conflicts"] == 1


def test_a_corpus_without_duplicates_stays_whole():
    keep, report = find_duplicates(keys([("train", f"review {n}", n % 2) for n in range(50)]))
    assert keep.all()
    assert report["repeats"] == 0
