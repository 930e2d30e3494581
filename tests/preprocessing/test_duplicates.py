"""Duplicate reviews: which are alike, and which are kept."""

import hashlib
import sys

import numpy as np
import pytest

from pipeline.preprocessing.duplicates import (
    PRECEDENCE,
    ReviewKeys,
    count_copies,
    exact_key,
    find_duplicates,
    group_key,
    letters_key,
    near_key,
    with_duplicates,
)


def keys(rows, groups=None):
    """`ReviewKeys` of (split, text, label) rows, and their groups; label None for unlabelled reviews."""
    own = map(group_key, groups) if groups else (letters_key(text) for _, text, _ in rows)
    return ReviewKeys(
        near=np.array([near_key(text) for _, text, _ in rows], np.uint64),
        group=np.fromiter(own, np.uint64, len(rows)),
        exact=np.array([exact_key(text) for _, text, _ in rows], np.uint32),
        label=np.array([-1 if label is None else label for _, _, label in rows], np.int8),
        split=np.array([PRECEDENCE.index(split) for split, _, _ in rows], np.int8),
    )


def found(rows, policy="drop"):
    """Duplicates of rows: which to keep, and the report."""
    return find_duplicates(keys(rows), np.ones(len(rows), bool), policy)


@pytest.mark.parametrize("other", ["a fine film", "A FINE FILM!", "a  fine\tfilm...", '"A fine film," a-fine'[:13]])
def test_texts_alike_but_for_case_punctuation_and_spacing_share_a_key(other):
    assert near_key("A fine film.") == near_key(other)


@pytest.mark.parametrize("other", ["A fine film 2", "A fin film", "Á fine film", ""])
def test_other_texts_do_not(other):
    assert near_key("A fine film.") != near_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("good 👍", "good 👎"), ("good 👍", "good"), ("fine :)", "fine :("), ("fine :)", "fine"), ("★★★☆☆", "★★★★★")),
        *(("ok ★", "ok ★★★★★"), ("10/10", "1/010"), ("10/10", "1010"), ("7.5 stars", "7/5 stars"), ("+1", "-1")),
        *(("\u22125", "5"), ("+5", "\u22125"), ("-५", "५"), ("१०/१०", "१/०१०"), ("७.५", "७५")),
        *(("७\u066b५", "७५"), ("७\u066b५", "७\u066c५")),
        *(("कि", "की"), ("كَتب", "كُتب"), ("שַׁל", "שֶׁל"), ("ดี", "ดิ"), ("कम", "काम"), ("cafe\u0301", "cafe")),
    ],
)
def test_emoji_smileys_numbers_and_combining_marks_tell_texts_apart(one, other):
    assert near_key(one) != near_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("good 👍", "Good👍!"), ("fine :)", "fine  :-)"), ("fine :)", "fine 🙂"), ("❤\ufe0f", "❤")),
        *(("10/10", "10 / 10!"), ("good 👍🏽", "good 👍"), ("caf\u00e9", "cafe\u0301!"), ("the Film™", "the film")),
        *(("don\u2019t", "don\u00b4t"), ("\u22125", "-5"), ("a\u22125", "a-5"), ("७\u066b५", "७.५!")),
    ],
)
def test_one_emoji_smiley_number_or_letter_may_be_written_in_several_ways(one, other):
    assert near_key(one) == near_key(other)


def test_a_key_is_the_hash_of_the_letters_and_digits_of_any_alphabet():
    for start in range(0, sys.maxunicode, 64):  # lone surrogates, too
        text = "".join(map(chr, range(start, start + 64)))
        kept = "".join(filter(str.isalnum, text.casefold())) or text
        digest = hashlib.blake2b(kept.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        assert letters_key(text) == int.from_bytes(digest, "little"), hex(start)


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
    keep, report = found(rows)
    assert [text for (_, text, _), kept in zip(rows, keep, strict=True) if kept] == [
        *("One.", "alone"),
        "Three",
        *("Two", "two.", "five"),
        "seven",
    ]
    assert report == {
        "repeats": 5,
        "exact": 2,
        "near_exact": 3,
        "unlabelled": 1,
        "within": {"test": 1, "train": 1},
        "across": {"test-validation": 1, "test-train": 1, "test-unlabelled": 1, "validation-train": 1},
        "dropped": {"validation": 1, "train": 3, "unlabelled": 1},
        **{"label_conflicts": 0, "kept_by_test": 0, "contradicting": 0, "tied": 0},
    }


def test_label_conflicts_are_reported():
    rows = [("train", "same", 1), ("test", "Same!", 0), ("train", "other", 1), ("unlabelled", "other", None)]
    assert found(rows)[1]["label_conflicts"] == 1


def test_a_corpus_without_duplicates_stays_whole():
    keep, report = found([("train", f"review {n}", n % 2) for n in range(50)])
    assert keep.all()
    assert report["repeats"] == 0


def test_of_conflicting_labels_the_majority_is_kept_and_a_tie_is_left_out():
    rows = [
        *(("train", "nice", 0), ("train", "nice", 1), ("train", "Nice!", 1)),
        *(("train", "so so", 0), ("train", "so so", 1)),
        *(("train", "once", 1), ("auxiliary", "so so", 1), ("unlabelled", "so so", None)),
    ]
    keep, report = found(rows)
    assert np.flatnonzero(keep).tolist() == [1, 5]
    assert (report["label_conflicts"], report["contradicting"], report["tied"]) == (2, 2, 3)
    assert report["dropped"] == {"train": 4, "auxiliary": 1, "unlabelled": 1}


def test_of_conflicting_labels_the_split_that_comes_first_decides_and_test_stays_as_it_is():
    rows = [
        *(("test", "nice", 0), ("test", "nice", 1), ("train", "nice", 1)),
        *(("validation", "fine", 0), ("train", "fine", 1), ("train", "fine", 1)),
    ]
    keep, report = found(rows)
    assert keep.tolist() == [True, True, False, True, False, False]
    assert (report["label_conflicts"], report["kept_by_test"]) == (2, 1)


def test_duplicates_may_be_kept_and_are_counted_all_the_same():
    rows = [("train", "nice", 0), ("train", "nice", 1), ("test", "Nice", 1)]
    keep, report = found(rows, "keep")
    assert keep.all()
    assert (report["repeats"], report["contradicting"], report["dropped"], report["tied"]) == (2, 1, {}, 0)


def test_reviews_that_are_left_out_already_are_no_duplicates_of_others():
    rows = [("train", "nice", 0), ("train", "nice", 0), ("train", "nice", 0)]
    keep, report = find_duplicates(keys(rows), np.array([False, True, True]), "drop")
    assert (keep.tolist(), report["repeats"]) == ([False, True, False], 1)


def test_a_kept_review_stands_for_those_of_its_split_and_label_that_are_left():
    rows = [
        *[("train", "so good", 1), ("train", "So good!", 1), ("train", "so good", 0), ("train", "so, good", 1)],
        *[("train", "fair", 0), ("auxiliary", "Fair", 0), ("validation", "poor", 0), ("train", "poor", 0)],
    ]
    keep, report = found(rows, "weight")
    assert keep.tolist() == found(rows)[0].tolist() == [True, *[False] * 3, True, False, True, False]
    assert report == found(rows)[1]
    assert count_copies(keys(rows), np.ones(8, bool))[keep].tolist() == [3, 1, 1]
    without = np.arange(8) != 1
    assert count_copies(keys(rows), without)[0] == 2


def test_near_duplicates_are_held_out_together_though_their_letters_differ():
    texts = ["tr\u00e8s bon film", "tre\u0300s bon film", "fine :D", "fine \U0001f600", "a dull one"]
    corpus = keys([("train", text, 1) for text in texts])
    assert len(set(corpus.group.tolist())) == 5
    groups = with_duplicates(corpus).tolist()
    assert (groups[0], groups[2]) == (groups[1], groups[3])
    assert len(set(groups)) == 3
    assert groups[4] == corpus.group[4]


def test_a_chain_of_duplicates_is_one_group():
    texts = ["fine :D", "fine \U0001f600", "Fine.\U0001f600", "fine"]  # the last has the letters of the second
    assert len(set(with_duplicates(keys([("train", text, 1) for text in texts])).tolist())) == 1
