"""Splits and duplicates."""

import hashlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import SplitConfig
from pipeline.preprocessing.duplicates import PRECEDENCE, Keys, exact_key, find_duplicates, near_key
from pipeline.preprocessing.reading import row_groups
from pipeline.preprocessing.scanning import scan
from pipeline.preprocessing.splitting import hold_out, require_both_labels
from pipeline.runtime.errors import PipelineError

CONFIG = SplitConfig(validation=0.1, test=0.2, seed=1)


def keys(rows):
    """Keys of (split, text, label) rows without groups; label None for unlabelled reviews."""
    near = np.array([near_key(text) for _, text, _ in rows], np.uint64)
    return Keys(
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


def test_reading_a_corpus_holds_a_part_of_it_and_not_the_rest(tmp_path):
    random = np.random.default_rng(0)
    schema = pa.schema({"id": pa.string(), "text": pa.string()})
    with pq.ParquetWriter(tmp_path / "unlabelled.parquet", schema) as writer:
        for _ in range(40):
            texts = [random.bytes(1000).hex() for _ in range(500)]  # 1 MB a group
            writer.write_batch(pa.record_batch([texts, texts], schema=schema))
    before, held = pa.total_allocated_bytes(), []
    for group in row_groups(tmp_path):
        rows = group.read()
        held.append(pa.total_allocated_bytes() - before)
        assert len(rows) == group.rows == 500
    assert max(held) < 10e6 < 40 * 500 * 2000


CORPUS = [("train", f"review number {n}", n % 3 == 0) for n in range(3000)]


def held_out(rows, config=CONFIG):
    found = keys(rows)
    hold_out(found, config)
    return {text: PRECEDENCE[split] for (_, text, _), split in zip(rows, found.split, strict=True)}


def test_held_out_parts_are_stratified_and_of_the_size_asked():
    parts = held_out(CORPUS)
    for label, total in ((True, 1000), (False, 2000)):
        texts = [text for _, text, positive in CORPUS if positive is label]
        assert sum(parts[text] == "test" for text in texts) == 0.2 * total
        assert sum(parts[text] == "validation" for text in texts) == 0.1 * total


def test_held_out_parts_do_not_depend_on_the_order_of_rows_but_on_the_seed():
    assert held_out(CORPUS) == held_out(CORPUS[::-1])
    assert held_out(CORPUS) != held_out(CORPUS, CONFIG.model_copy(update={"seed": 2}))


def test_reviews_of_a_group_are_held_out_together(tmp_path):
    rows = pa.table(
        {
            "id": [str(n) for n in range(len(CORPUS))],
            "text": [text for _, text, _ in CORPUS],
            "label": pa.array([positive for _, _, positive in CORPUS]).cast(pa.int8()),
            "split_group": [f"{positive}/{n // 60}" for n, (_, _, positive) in enumerate(CORPUS)],
        }
    )
    pq.write_table(rows, tmp_path / "train.parquet", row_group_size=700)
    found = scan(tmp_path, map)
    hold_out(found, CONFIG)
    parts = {name: set(found.split[found.group == name].tolist()) for name in np.unique(found.group)}
    assert len(parts) == 100
    assert all(len(splits) == 1 for splits in parts.values())
    assert {len(found.split[found.split == index]) for index in range(3)} == {600, 300, 2100}


def test_a_larger_validation_part_leaves_the_test_part_alone():
    larger = held_out(CORPUS, CONFIG.model_copy(update={"validation": 0.3}))
    assert {text for text, part in held_out(CORPUS).items() if part == "test"} == {
        text for text, part in larger.items() if part == "test"
    }


def test_duplicates_are_held_out_together():
    rows = [("train", f"review {n // 2}" + "!" * (n % 2), n % 4 < 2) for n in range(2000)]
    parts = held_out(rows)
    assert all(parts[f"review {n}"] == parts[f"review {n}!"] for n in range(1000))


def test_a_given_test_part_is_kept():
    rows = [*CORPUS, ("test", "given", 1)]
    parts = held_out(rows)
    assert [text for text, part in parts.items() if part == "test"] == ["given"]
    assert sum(part == "validation" for part in parts.values()) == 300


def test_a_split_of_duplicates_alone_is_refused():
    rows = [("train", "a", 1), ("train", "b", 0), ("test", "c", 1), ("test", "d", 0), ("validation", "c", 1)]
    found = keys([*rows, ("validation", "d", 0)])
    with pytest.raises(PipelineError, match="the validation split holds no negative review once its 2 duplicates"):
        require_both_labels(found, find_duplicates(found)[0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (CORPUS[:9], "split.test: 0.2 of 3 positive|split.validation: 0.1 of"),
        ([("train", f"n {n}", 0) for n in range(100)], "of 0 positive training reviews is none"),
    ],
)
def test_impossible_splits_are_refused(rows, message):
    with pytest.raises(PipelineError, match=message):
        hold_out(keys(rows), CONFIG)
