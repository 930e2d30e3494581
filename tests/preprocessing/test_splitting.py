"""Held-out splits."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.labels import LABELS
from pipeline.config.split import SplitConfig
from pipeline.preprocessing.duplicates import PRECEDENCE
from pipeline.preprocessing.scanning import scan
from pipeline.preprocessing.splitting import hold_out, leave_out_shared_groups, require_all_classes
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from tests.conftest import corpus_record
from tests.preprocessing.test_duplicates import found, keys

CONFIG = SplitConfig(validation=0.1, test=0.2, stratify=True, seed=1)
CORPUS = [("train", f"review number {n}", n % 3 == 0) for n in range(3000)]


def held_out(rows, config=CONFIG):
    review_keys = keys(rows)
    hold_out(review_keys, np.ones(len(rows), bool), config, LABELS)
    return {text: PRECEDENCE[split] for (_, text, _), split in zip(rows, review_keys.split, strict=True)}


def test_held_out_parts_are_stratified_and_of_the_size_asked():
    parts = held_out(CORPUS)
    for label, total in ((True, 1000), (False, 2000)):
        texts = [text for _, text, positive in CORPUS if positive is label]
        assert sum(parts[text] == "test" for text in texts) == 0.2 * total
        assert sum(parts[text] == "validation" for text in texts) == 0.1 * total


def test_each_of_many_classes_is_held_out_in_its_share():
    classes = [str(number) for number in range(100)]
    review_keys = keys([("train", f"review number {n}", n % 100) for n in range(4000)])
    hold_out(review_keys, np.ones(4000, bool), CONFIG, classes)
    for label in range(100):
        parts = np.bincount(review_keys.split[review_keys.label == label], minlength=3)
        assert parts[PRECEDENCE.index("test")] == 8
        assert parts[PRECEDENCE.index("validation")] == 4
    require_all_classes(review_keys, np.ones(4000, bool), classes)
    with pytest.raises(PipelineError, match="the train split holds no 99 review once 28 that repeat"):
        require_all_classes(review_keys, review_keys.label != 99, classes)


def test_of_auxiliary_texts_a_share_is_held_out_apart():
    rows = [*CORPUS, *(("auxiliary", f"sentence number {n}", n % 2) for n in range(200))]
    parts = held_out(rows)
    assert {text: part for text, part in parts.items() if text.startswith("review")} == held_out(CORPUS)
    sizes = Counter(part for text, part in parts.items() if text.startswith("sentence"))
    assert sizes == {"auxiliary_test": 40, "auxiliary": 160}
    brought = held_out([("test", "one", 0), ("test", "two", 1), *rows])
    assert sum(part == "auxiliary_test" for part in brought.values()) == 40


def test_a_review_stays_in_the_corpus_where_an_auxiliary_text_repeats_it():
    keep, report = found([("train", "so good", 1), ("auxiliary_test", "So good!", 1), ("auxiliary", "so, good", 1)])
    assert keep.tolist() == [True, False, False]
    assert report["dropped"] == {"auxiliary_test": 1, "auxiliary": 1}


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
    write_json(tmp_path / "corpus.json", corpus_record())
    review_keys = scan(tmp_path, map)
    hold_out(review_keys, np.ones(len(CORPUS), bool), CONFIG, LABELS)
    parts = {name: set(review_keys.split[review_keys.group == name].tolist()) for name in np.unique(review_keys.group)}
    assert len(parts) == 100
    assert all(len(splits) == 1 for splits in parts.values())
    assert {len(review_keys.split[review_keys.split == index]) for index in range(3)} == {600, 300, 2100}


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
    rows = [*rows, ("validation", "d", 0)]
    with pytest.raises(PipelineError, match="the validation split holds no negative review once 2 that repeat"):
        require_all_classes(keys(rows), found(rows)[0], LABELS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (CORPUS[:9], "split.test: 0.2 of 3 positive|split.validation: 0.1 of"),
        ([("train", f"n {n}", 0) for n in range(100)], "of 0 positive training reviews is none"),
    ],
)
def test_impossible_splits_are_refused(rows, message):
    with pytest.raises(PipelineError, match=message):
        hold_out(keys(rows), np.ones(len(rows), bool), CONFIG, LABELS)


def grouped(sizes, positive=lambda group, n: (group + n) % 3 == 0):
    """Rows of groups of these sizes, with both labels in each, and their groups."""
    numbered = [(group, n) for group, size in enumerate(sizes) for n in range(size)]
    rows = [("train", f"review {n} of {group}", positive(group, n)) for group, n in numbered]
    return rows, [f"film {group}" for group, _ in numbered]


def drawn(rows, groups, **changes):
    """Keys of rows after their splits are drawn, and the parts."""
    review_keys = keys(rows, groups)
    parts = hold_out(review_keys, np.ones(len(rows), bool), CONFIG.model_copy(update=changes), LABELS)
    return review_keys, parts


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_both_labels_are_never_divided_and_parts_keep_size_and_shares(seed):
    sizes = np.random.default_rng(seed).zipf(1.7, 400).clip(1, 60).tolist()
    rows, groups = grouped(sizes)
    review_keys, parts = drawn(rows, groups, seed=seed)
    assert all(len(np.unique(review_keys.split[review_keys.group == group])) == 1 for group in set(review_keys.group))
    for name, share in (("test", 0.2), ("validation", 0.1)):
        labels = review_keys.label[review_keys.split == PRECEDENCE.index(name)]
        assert len(labels) == parts[name].reviews == pytest.approx(share * len(rows), rel=0.05)
        assert labels.mean() == pytest.approx(review_keys.label.mean(), abs=0.03)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    again, _ = drawn([rows[n] for n in shuffled], [groups[n] for n in shuffled], seed=seed)
    assert (again.split == review_keys.split[shuffled]).all()


def test_a_rare_class_is_held_out_in_its_share_though_groups_are_not_divided():
    rows, groups = grouped([5] * 400, positive=lambda group, n: group % 20 == 0 and n < 2)
    review_keys, _ = drawn(rows, groups)
    for name, share in (("test", 0.2), ("validation", 0.1)):
        rare = review_keys.label[review_keys.split == PRECEDENCE.index(name)].sum()
        assert rare == pytest.approx(40 * share, abs=2)


def test_a_group_larger_than_a_part_is_trained_on_and_counted():
    rows, groups = grouped([300, *[3] * 100])
    review_keys, parts = drawn(rows, groups)
    assert set(review_keys.split[:300]) == {PRECEDENCE.index("train")}
    assert parts["test"] == (120, 120, 1, 0)
    assert parts["validation"].too_large == 1


def test_groups_too_few_to_divide_are_refused():
    rows, groups = grouped([90, 110])
    with pytest.raises(PipelineError, match=r"split.test: the test split that was drawn holds no .* smaller groups"):
        drawn(rows, groups)


@pytest.mark.parametrize("groups_of_a_class", [4, 6])
def test_a_part_that_would_lack_a_class_gets_a_group_beyond_its_share(groups_of_a_class):
    number = 2 * groups_of_a_class
    rows, groups = grouped([50] * number, positive=lambda group, _: group % 2 == 0)
    review_keys, parts = drawn(rows, groups)
    assert all(len(np.unique(review_keys.split[review_keys.group == group])) == 1 for group in set(review_keys.group))
    for part in ("test", "validation", "train"):
        of_part = review_keys.label[review_keys.split == PRECEDENCE.index(part)]
        assert set(of_part.tolist()) == {0, 1}, part
    assert parts["validation"].reviews == 100
    assert parts["validation"].asked == 10 * number // 2
    assert parts["validation"].for_class > 0
    assert parts["test"].reviews == 100


def test_the_last_groups_of_a_class_are_left_to_the_parts_that_need_them():
    rows, groups = grouped([50, 40, 20, *[50] * 4], positive=lambda group, _: group < 3)
    review_keys, _ = drawn(rows, groups)
    held_out = {name: review_keys.label[review_keys.split == PRECEDENCE.index(name)].sum() for name in PRECEDENCE[:3]}
    assert sorted(held_out.values()) == [20, 40, 50]
    assert held_out["validation"] < 50
    rows, groups = grouped([50, 40, *[50] * 4], positive=lambda group, _: group < 2)
    with pytest.raises(PipelineError, match=r"split\.test: the test split that was drawn holds no positive"):
        drawn(rows, groups)


def test_without_stratification_a_part_is_a_share_of_all_reviews():
    review_keys, parts = drawn(CORPUS, None, stratify=False)
    labels = review_keys.label[review_keys.split == PRECEDENCE.index("test")]
    assert len(labels) == parts["test"].reviews == 600
    assert labels.sum() != 200
    assert labels.mean() == pytest.approx(1 / 3, abs=0.06)


def test_of_groups_that_given_splits_share_the_one_that_judges_keeps_its_reviews():
    rows = [(split, f"{split} {n}", n % 2) for split in ("train", "validation", "test") for n in range(4)]
    groups = ["a", "b", "c", "d", "c", "d", "e", "f", "a", "x", "y", "e"]
    keep, shared = leave_out_shared_groups(keys(rows, groups), np.ones(12, bool))
    assert shared == 4
    assert [rows[n][1] for n in np.flatnonzero(~keep)] == ["train 0", "train 2", "train 3", "validation 2"]
