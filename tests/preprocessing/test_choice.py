"""Reviews that a dataset is made of, in a small project: duplicates and groups as a user's files have them."""

import json
import logging
import random
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.config.split import SplitConfig
from pipeline.preprocessing.choice import choose_reviews
from pipeline.text.dataset import CorpusRecord
from tests.preprocessing.test_duplicates import keys
from tests.support.commands import SmallProject, params, prepared, project

__all__ = ["prepared", "project"]  # fixtures

PARTS = ("train", "validation", "test")
SHORT = [
    "good app",
    "Good app!",
    "nice",
    "love it",
    "good 👍",
    "works",
    "bad",
    "worst app",
    "good 👎",
    "crashes",
    "slow",
]
CLASSES = ("negative", "positive")


def short_reviews():
    """Rows of 1,000 reviews, of which 400 are copies of a few short ones; most of these copies are positive."""
    chosen = random.Random(1)
    copies = [(text := chosen.choice(SHORT), "good" if SHORT.index(text) < 6 else "bad") for _ in range(400)]
    words = [f"u{n // 100} v{n // 10 % 10} w{n % 10}" for n in range(600)]
    rows = [*copies, *((text, "good" if n % 4 == 0 else "bad") for n, text in enumerate(words))]
    chosen.shuffle(rows)
    return [f"{text},{label},shop {chosen.randrange(80)}" for text, label in rows]


def arrays(project: SmallProject, name: str):
    """Numbers of the reviews to train and to validate on."""
    dataset = project.root / "artifacts" / "dataset"
    return {split: np.load(dataset / split / f"{name}.npy") for split in PARTS[:2]}


def write(project: SmallProject, **files: list[str]) -> None:
    for name, rows in files.items():
        (project.root / f"{name}.csv").write_text("\n".join(["review,verdict,shop", *rows]) + "\n", encoding="utf-8")


def preprocessed(project: SmallProject, **corpus):
    """Content of reports/data.json, and the reviews of each split, of files that are read with these keys."""
    changes = {f"corpus.{key}": value for key, value in corpus.items()}
    (project.root / "params.yaml").write_text(params("files", changes))
    assert project.run("download") == 0
    shutil.rmtree(project.root / "data")
    shutil.copytree(project.root / "downloads", project.root / "data")
    assert project.run("preprocess") == 0
    dataset = project.root / "artifacts" / "dataset"
    splits = {name: pq.read_table(dataset / name / "rows.parquet").to_pylist() for name in PARTS}
    return json.loads((project.root / "reports" / "data.json").read_text()), splits


@pytest.fixture(autouse=True)
def _log_lines(caplog):
    """Capture what is said in the terminal, too."""
    caplog.set_level(logging.INFO)


def test_duplicates_of_short_reviews_leave_sizes_and_shares_of_drawn_splits_alone(project, caplog):
    write(project, apps=short_reviews())
    data, splits = preprocessed(project, path="apps.csv")
    kept = 600 + 10  # "good app" is written in two ways
    assert data["left_out"] == {"duplicates": 1000 - kept}
    assert {name: len(rows) for name, rows in splits.items()} == pytest.approx(
        {"train": 0.7 * kept, "validation": 0.1 * kept, "test": 0.2 * kept}, abs=2
    )
    shares = {name: sum(row["label"] for row in rows) / len(rows) for name, rows in splits.items()}
    assert list(shares.values()) == pytest.approx([155 / kept] * 3, abs=0.01)
    assert {"good 👍", "good 👎"} <= {row["text"] for rows in splits.values() for row in rows}
    assert "duplicates: 390 of 1,000 reviews repeat another" in caplog.text
    assert "train without duplicates: negative " in caplog.text


def test_duplicates_may_be_kept_where_all_of_a_text_are_in_one_split(project):
    write(project, apps=short_reviews())
    data, splits = preprocessed(project, path="apps.csv", duplicates="keep")
    assert sum(map(len, splits.values())) == 1000
    assert (data["left_out"], data["duplicates"]["repeats"]) == ({}, 390)
    assert data["measures"]["overlap_share"] == 0


def test_unlabelled_reviews_join_the_dataset_but_no_review_of_another_split(project):
    write(project, apps=short_reviews())
    more = ["good app", "u1 v2 w3", *(f"x{n} y{n}" for n in range(50))]
    (project.root / "more.txt.csv").write_text("\n".join(["review", *more]) + "\n")
    data, splits = preprocessed(project, path="apps.csv")
    with_more, same = preprocessed(project, path="apps.csv", unlabelled="more.txt.csv")
    unlabelled = pq.read_table(project.root / "artifacts" / "dataset" / "unlabelled" / "rows.parquet")
    assert unlabelled["text"].to_pylist() == more[2:]
    assert with_more["left_out"] == data["left_out"] | {"unlabelled_duplicates": 2}
    assert {name: [row["id"] for row in rows] for name, rows in same.items()} == {
        name: [row["id"] for row in rows] for name, rows in splits.items()
    }


def test_an_unlabelled_file_that_holds_the_labelled_reviews_is_no_loss_and_no_reason_to_keep_them(project, caplog):
    rows = [f"{text},{label},a" for text, label, _ in (row.split(",") for row in short_reviews()) if text[0] == "u"]
    write(project, apps=rows)
    texts = [row.split(",")[0] for row in rows]
    (project.root / "more.csv").write_text("\n".join(["review", *texts, *texts, "x1 y1"]) + "\n")
    data, splits = preprocessed(project, path="apps.csv", unlabelled="more.csv")
    assert sum(map(len, splits.values())) == 600
    assert data["left_out"] == {"unlabelled_duplicates": 1200}
    assert (data["duplicates"]["repeats"], data["measures"]["left_out_share"]) == (0, 0)
    assert "duplicates: 1,200 unlabelled reviews repeat a labelled or another one; they are dropped" in caplog.text
    assert "of 600 reviews" not in caplog.text


def test_a_test_split_of_ones_own_keeps_all_labels_and_that_is_said(project, caplog):
    rows = short_reviews()
    twice = ["so so,good,a", "so so,bad,b", "so so,bad,c", "meh,good,a", "meh,good,b"]
    write(project, one=[*rows[:800], "meh,bad,a"], two=[*rows[800:], *twice])
    data, splits = preprocessed(project, path=None, train="one.csv", test="two.csv")
    assert [CLASSES[row["label"]] for row in splits["test"] if row["text"] == "so so"] == [
        *("positive", "negative", "negative"),
    ]
    assert data["duplicates"]["kept_by_test"] == 1
    assert "are left out; of 1 texts test keeps all labels" in caplog.text


@pytest.mark.parametrize("further", [(), ("auxiliary",), ("auxiliary", "unlabelled")])
def test_further_texts_dilute_no_share_of_the_users_own_rows(further, caplog):
    own = [("train", f"said twice {n}", label) for n in range(40) for label in (0, 0, 1)]
    own += [("train", f"said once {n}", n % 2) for n in range(80)]
    texts = [(split, f"{split} {n}", None if split == "unlabelled" else n % 2) for split in further for n in range(800)]
    texts += [(split, text, label) for split, text, label in texts if text.endswith(" 7")]
    record = CorpusRecord.model_construct(
        classes=("negative", "positive"),
        left_out={"empty_text": 50, "auxiliary_empty_text": 10, "unlabelled_empty_text": 1000, "no_label": 20},
    )
    split = SplitConfig(validation=0.2, test=0.2, stratify=True, seed=1)
    chosen = choose_reviews(keys(own + texts), record, "drop", split, grouped=False)
    assert chosen.measures == {"left_out_share": 0.52, "label_conflict_share": 0.2, "overlap_share": 0.0}
    assert "duplicates: 80 of 200 reviews repeat another, 80 word for word; 80 are dropped" in caplog.text
    assert "40 texts have several labels, 40 reviews contradict" in caplog.text
    for name in further:
        assert re.search(f"duplicates: 1 {name} .* repeat .*; they are dropped", caplog.text)


def test_conflicting_labels_are_settled_counted_and_said(project, caplog):
    rows = short_reviews()
    conflicts = ["nice,bad,a", "so so,good,a", "so so,bad,b"]
    write(project, apps=[*rows, *conflicts])
    data, splits = preprocessed(project, path="apps.csv")
    labels = {row["text"]: CLASSES[row["label"]] for rows in splits.values() for row in rows}
    assert labels["nice"] == "positive"
    assert "so so" not in labels
    assert data["left_out"] == {"duplicates": 391, "label_ties": 2}
    assert (data["duplicates"]["label_conflicts"], data["duplicates"]["contradicting"]) == (2, 2)
    assert "2 texts have several labels, 2 reviews contradict most others of the same text" in caplog.text
    assert "2 reviews of texts without a majority are left out" in caplog.text


def test_no_group_of_a_users_files_is_in_two_splits(project, caplog):
    rows = [row.replace("shop 7", "") if row.endswith("shop 7") else row for row in short_reviews()]
    write(project, apps=rows)
    missing = sum(row.endswith(",") for row in rows)
    data, splits = preprocessed(project, path="apps.csv", group_column="shop", keep_columns=["shop"])
    shops = [{row["shop"] for row in splits[name]} - {None, ""} for name in PARTS]
    assert sum(map(len, shops)) == len(set.union(*shops)) == 79
    assert {name: len(rows) for name, rows in splits.items()} == pytest.approx(
        {"train": 427, "validation": 61, "test": 122}, abs=6
    )
    assert data["groups"]["ungrouped"] == missing > 0
    assert f"{missing} of 1,000 reviews have no value in corpus.group_column" in caplog.text


def test_groups_that_own_splits_share_are_left_out_of_training_and_said(project, caplog):
    rows = short_reviews()
    own = {"path": None, "train": "one.csv", "test": "two.csv", "group_column": "shop", "keep_columns": ["shop"]}
    two_shops = {"good": "shop 1", "bad": "shop 2"}
    held_out = [f"{text},{label},{two_shops[label]}" for text, label, _ in (row.split(",") for row in rows[850:])]
    write(project, one=rows[:850], two=held_out)
    data, splits = preprocessed(project, **own)
    assert {row["shop"] for row in splits["test"]} == {"shop 1", "shop 2"}
    assert not {"shop 1", "shop 2"} & {row["shop"] for name in ("train", "validation") for row in splits[name]}
    shared = sum(row.endswith(("shop 1", "shop 2")) for row in rows[:850])
    assert data["left_out"]["shared_groups"] == shared == data["groups"]["dropped"]["train"] > 0
    assert len(splits["test"]) == 150
    assert f"2 groups of corpus.group_column are in several of your splits: {shared} reviews of train" in caplog.text


def test_twenty_rows_to_try_it_out_are_warned_of_and_pass(project, caplog):
    write(project, few=[f"word{n} of {n * n},{'good' if n % 2 else 'bad'},a" for n in range(20)])
    preprocessed(project, path="few.csv")
    assert "fewer than 100 reviews are a trial: checks of the data only warn" in caplog.text
    assert "warning: corpus.checks.rows: measures.smallest_class.train is 7, less than 50" in caplog.text
    assert "warning: validation: " in caplog.text


def test_a_check_that_fails_changes_no_output_and_each_has_its_line(project, capfd, caplog):
    write(project, apps=short_reviews())
    before = project.contents()
    stop = {"action": "stop"}
    checks = {
        "left_out": {"metric": "measures.left_out_share", "max": 0.1, **stop},
        "rows": {"metric": "measures.smallest_class.train", "min": 5000, **stop},
    }
    with pytest.raises(AssertionError):
        preprocessed(project, path="apps.csv", checks=checks)
    assert "error: corpus.checks.left_out: measures.left_out_share is 0.39, more than 0.1" in caplog.text
    assert "error: corpus.checks.rows: measures.smallest_class.train is 1" in capfd.readouterr().err
    after = project.contents()
    assert {name for name in after if after[name] != before.get(name)} <= {
        *("apps.csv", "params.yaml", "downloads/corpus.json", "downloads/train.parquet"),
        *("data/corpus.json", "data/train.parquet"),
    }
    assert not before.keys() - after.keys()


def test_weighted_duplicates_are_dropped_but_count_for_those_of_their_label(project, caplog):
    rows = short_reviews()
    rows += [row.replace("good app,good", "good app,bad") for row in rows if row.startswith("good app,")][:5]
    write(project, apps=rows)
    _, dropped = preprocessed(project, path="apps.csv")
    assert not (project.root / "artifacts" / "dataset" / "train" / "copies.npy").exists()
    caplog.clear()
    data, splits = preprocessed(project, path="apps.csv", duplicates="weight")
    assert splits == dropped
    copies = arrays(project, "copies")
    for split, own in copies.items():
        for row, number in zip(splits[split], own, strict=True):
            alike = ("good app", "Good app!") if row["text"] in ("good app", "Good app!") else (row["text"],)
            of_label = [f"{text},{'good' if row['label'] else 'bad'}," for text in alike]
            assert number == sum(other.startswith(tuple(of_label)) for other in rows), row
    several = copies["train"][copies["train"] > 1]
    assert 1 < len(several) < 11
    assert data["duplicates"]["weighted"] == {"reviews": len(several), "stand_for": several.sum()}
    assert "are dropped, those kept to train on count for those of their label" in caplog.text
    assert f"{len(several)} training reviews count more than once, together for {several.sum()}" in caplog.text


@pytest.mark.parametrize(("duplicates", "group_column"), [("keep", None), ("drop", "shop")])
def test_groups_are_numbered_through_train_and_validation_and_none_is_in_both(project, duplicates, group_column):
    write(project, apps=short_reviews())
    _, splits = preprocessed(project, path="apps.csv", duplicates=duplicates, group_column=group_column)
    groups = arrays(project, "groups")
    assert not set(groups["train"]) & set(groups["validation"])
    numbers = {}
    for split, own in groups.items():
        for row, number in zip(splits[split], own, strict=True):
            key = row["split_group"] if group_column else re.sub(r"\W", "", row["text"].casefold())
            numbers.setdefault(key, set()).add(number)
    assert sorted(map(min, numbers.values())) == list(range(len(numbers)))
    assert all(len(own) == 1 for own in numbers.values())
