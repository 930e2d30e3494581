"""Folds of the training and validation reviews: what each holds, and what cannot be divided."""

import json

import numpy as np
import pytest

from pipeline.config.labels import LABELS
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import read_split
from pipeline.training.data_module import ReviewDataModule, ReviewSelection
from pipeline.training.folds import assign_folds, read_fold
from tests.support.training import TINY, write_dataset


def test_folds_of_single_reviews_have_as_many_of_each_class_as_can_be():
    labels = (np.arange(997) % 7 == 0).astype(np.int8)  # 143 of one class, 854 of the other
    folds = assign_folds(np.arange(997, dtype=np.int32), labels, 5, 1, LABELS)
    for label in (0, 1):
        assert np.ptp(np.bincount(folds[labels == label], minlength=5)) <= 1
    assert np.ptp(np.bincount(folds)) <= 1


def test_folds_keep_groups_together_and_classes_balanced():
    random = np.random.default_rng(0)
    groups = np.sort(random.integers(0, 60, 1000)).astype(np.int32)
    labels = (random.random(1000) < np.where(groups % 3 == 0, 0.9, 0.2)).astype(np.int8)  # groups lean to a class
    folds = assign_folds(groups, labels, 5, 1, LABELS)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(60))
    assert set(folds.tolist()) == set(range(5))
    shares = [labels[folds == fold].mean() for fold in range(5)]
    assert np.ptp(shares) < 0.05
    assert np.ptp(np.bincount(folds)) < 30


def test_folds_depend_on_the_seed_and_not_on_the_order_of_reviews():
    groups, labels = np.arange(200, dtype=np.int32), (np.arange(200) % 2).astype(np.int8)
    folds = assign_folds(groups, labels, 4, 1, LABELS)
    np.testing.assert_array_equal(assign_folds(groups[::-1], labels[::-1], 4, 1, LABELS)[::-1], folds)
    assert not np.array_equal(assign_folds(groups, labels, 4, 2, LABELS), folds)


@pytest.mark.parametrize(
    ("groups", "labels", "message"),
    [
        (np.arange(40), np.arange(40) < 3, "training.folds: 5 folds of 3 positive training and validation reviews; lo"),
        (np.arange(40) // 10, np.arange(40) % 2, "5 folds of 20 negative .*, in 4 groups that are not divided; lower"),
        (
            np.repeat(np.arange(14), 3),
            np.where(np.arange(42) < 30, 0, 1),
            "training.folds: fold . of 5 holds no positive review, because groups|5 folds of 12 positive .*in 4 groups",
        ),
    ],
)
def test_a_class_that_a_fold_would_lack_is_named(groups, labels, message):
    with pytest.raises(PipelineError, match=message):
        assign_folds(groups.astype(np.int32), labels.astype(np.int8), 5, 1, LABELS)


@pytest.fixture(scope="module")
def divided(compose, tmp_path_factory):
    """A dataset folder of 220 training and 68 validation reviews, whose groups are its texts."""
    folder = write_dataset(tmp_path_factory.mktemp("folds") / "dataset", compose(*TINY), train_rows=220)
    np.save(folder / "train" / "groups.npy", np.arange(220, dtype=np.int32))
    np.save(folder / "validation" / "groups.npy", np.arange(220, 288, dtype=np.int32))
    record = json.loads((folder / "dataset.json").read_text())
    record |= {"split": {"seed": 1}, "splits": {"train": 220, "validation": 68}}
    (folder / "dataset.json").write_text(json.dumps(record))
    return folder


def test_each_review_is_validated_on_once_and_trained_on_in_all_other_folds(compose, divided):
    every = {(name, row) for name in ("train", "validation") for row in range(len(read_split(divided, name)))}
    held_out = []
    for number in range(1, 5):
        fold = read_fold(divided, compose(*TINY, "training.folds=4", f"training.fold={number}").training)
        own = {(name, row) for name, rows in fold.held_out.items() for row in rows.tolist()}
        others = {(name, row) for name, rows in fold.train.items() for row in rows.tolist()}
        assert own | others == every
        assert not own & others
        held_out += own
    assert sorted(held_out) == sorted(every)
    assert read_fold(divided, compose(*TINY).training) is None


def test_batches_are_of_the_reviews_of_a_fold(compose, divided):
    fold = read_fold(divided, compose(*TINY, "training.folds=4", "training.fold=2").training)
    settings = {"batch_size": 16, "fixed_length": None, "seed": 1}
    data = ReviewDataModule(divided, **settings, selection=ReviewSelection(fold=fold))
    splits = {name: read_split(divided, name) for name in ("train", "validation")}
    for part, rows in ((data.train, fold.train), (data.validation, fold.held_out)):
        expected = [splits[name][row].tolist() for name, own in rows.items() for row in own]
        assert [review.tolist() for review in part] == expected
        assert part.labels.tolist() == [splits[name].labels[row] for name, own in rows.items() for row in own]
    few = ReviewDataModule(divided, **settings, selection=ReviewSelection(fold=fold, max_reviews=10))
    assert np.bincount(few.train.labels).tolist() == [5, 5]
    assert len(few.validation) == len(data.validation)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("training.folds", "training.folds: the teachers of pseudo_labels know the labels of every fold; set pseudo_l"),
        ("pseudo_labels.teacher.folds", "pseudo_labels.teacher.folds: a teacher learns from all reviews; set it to nu"),
    ],
)
def test_teachers_and_folds_exclude_each_other(compose, key, message):
    with pytest.raises(PipelineError, match=message):
        compose("pseudo_labels=teacher", f"{key}=3")
