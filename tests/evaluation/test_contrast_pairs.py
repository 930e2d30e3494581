import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline import compose as compose_stage
from pipeline.behaviour.capability_files import SUITE_FOLDER, load_capabilities
from pipeline.behaviour.templates import make_cases
from pipeline.config.evaluation import ContrastConfig
from pipeline.config.file_format import AUTOMATIC
from pipeline.config.labels import LABELS
from pipeline.evaluation.contrast_pairs import load_pairs, score_pairs
from pipeline.inference.decision_rule import DecisionRule
from pipeline.preprocessing.duplicates import near_key
from pipeline.runtime import named_files
from pipeline.runtime.errors import PipelineError
from tests.conftest import configuration
from tests.support.scored import both, write_dataset

PAIRS = [
    ("A warm story about a cold winter.", "A tedious story about a cold winter.", "Positive", "Negative"),
    ("The jokes fall flat.", "The jokes all land.", "neg", "pos"),
    ("I left early.", "I stayed to the end.", "0", "1"),
]


class Hasty:
    """Classifier that predicts negative for texts with one of two words."""

    classes, rule = LABELS, DecisionRule(0.5)

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        return both([0.1 if "tedious" in text or "flat" in text else 0.9 for text in texts])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root with a dataset, and the pairs in pairs.csv."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_dataset(tmp_path / "dataset")
    write(tmp_path, PAIRS)
    return tmp_path


def write(project: Path, rows: Iterable[tuple[str, ...]]) -> None:
    with (project / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["original", "edited", "original_label", "edited_label", "note"])
        writer.writerows((*row, "") for row in rows)


def config(*, allow_seen: bool = False, path: str | None = "pairs.csv") -> ContrastConfig:
    return ContrastConfig(path=path, format=AUTOMATIC, allow_seen=allow_seen, fingerprint=None)


def test_both_sides_and_pairs_with_both_right_are_counted(project: Path) -> None:
    metrics, table = score_pairs(load_pairs(config(), project / "dataset"), Hasty())
    assert metrics == {
        "original_accuracy": pytest.approx(2 / 3),
        "edited_accuracy": 1,
        "consistency": pytest.approx(2 / 3),
        "pairs": 3,
    }
    assert list(table["consistent"]) == [True, True, False]
    assert list(table["original_label"]) == ["positive", "negative", "negative"]


def test_the_pairs_that_come_along_are_balanced_short_and_each_side_stands_once(project: Path) -> None:
    path = configuration().evaluation.contrast_pairs.path
    pairs = load_pairs(config(path=path), project / "dataset")
    assert Counter(pair.original_label for pair in pairs) == {0: 30, 1: 30}
    texts = [text for pair in pairs for text in (pair.original, pair.edited)]
    assert len({near_key(text) for text in texts}) == 120
    assert all(8 <= len(text.split()) <= 60 for text in texts)
    suite = load_capabilities(SUITE_FOLDER)
    cases = [case for name, capability in suite.items() for case in make_cases(name, capability)]
    assert {near_key(case.text) for case in cases}.isdisjoint(near_key(text) for text in texts)


def test_a_queued_experiment_reads_the_pairs_as_they_were_queued(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = project / "queued"
    queued.mkdir()
    (queued / "pairs.csv").write_bytes((project / "pairs.csv").read_bytes())
    write(project, PAIRS[:1])
    monkeypatch.setattr(named_files, "WORKSPACE", queued)
    assert len(load_pairs(config(), project / "dataset")) == 3
    (queued / "pairs.csv").unlink()
    assert len(load_pairs(config(), project / "dataset")) == 1


def test_no_file_is_no_pairs(project: Path) -> None:
    assert load_pairs(config(path=None), project / "dataset") == []


@pytest.mark.parametrize("side", [0, 1])
def test_pairs_with_a_review_of_the_training_split_are_refused_unless_allowed(project: Path, side: int) -> None:
    texts = ["Dull MUSIC indeed, throughout.", "Dull MUSIC indeed, throughout."]
    texts[side] = "Tedious music!"  # the training split has "tedious music"
    write(project, [*PAIRS, (*texts, "negative", "positive")])
    with pytest.raises(PipelineError, match=r"1 of the 4 pairs in .*pairs\.csv .*allow_seen=true") as caught:
        load_pairs(config(), project / "dataset")
    assert "\n" not in str(caught.value)
    assert len(load_pairs(config(allow_seen=True), project / "dataset")) == 4


def test_pairs_with_an_unlabelled_review_are_refused_if_the_model_was_trained_on_it(project: Path) -> None:
    (project / "dataset" / "unlabelled").mkdir()
    pq.write_table(pa.table({"text": ["The jokes: fall flat"]}), project / "dataset" / "unlabelled" / "rows.parquet")
    assert len(load_pairs(config(), project / "dataset", ["train"])) == 3
    with pytest.raises(PipelineError, match=r"1 of the 3 pairs in .*pairs\.csv .*allow_seen=true"):
        load_pairs(config(), project / "dataset", ["train", "unlabelled"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "b", "good", "neg"), "pair 4: original_label is 'good'; write positive or negative"),
        (("a", "b", "pos", ""), "pair 4: edited_label is ''"),
        (("a", "b", "pos", "positive"), "pair 4: both labels are 'pos'; the labels of a pair are opposites"),
        (("a", " ", "pos", "neg"), "pair 4: edited is empty"),
        (("&nbsp;", "b", "pos", "neg"), "pair 4: original is empty"),
    ],
)
def test_a_pair_that_is_none_is_named(project: Path, row: tuple[str, ...], message: str) -> None:
    write(project, [*PAIRS, row])
    with pytest.raises(PipelineError, match=message):
        load_pairs(config(), project / "dataset")


def state_labels(project: Path, labels: dict[str, list[object]], dataset: str = "dataset") -> None:
    path = project / dataset / "dataset.json"
    values = json.loads(path.read_text())
    values["corpus"]["config"] = {"labels": labels}
    path.write_text(json.dumps(values))


def test_labels_mean_in_the_pairs_what_they_mean_in_the_corpus(project: Path) -> None:
    state_labels(project, {"negative": [1], "positive": [0, "good"]})
    write(project, [("a", "b", "0", "1"), ("a", "b", "neg", "Good"), ("a", "b", "positive", "negative")])
    assert [pair.original_label for pair in load_pairs(config(), project / "dataset")] == [1, 0, 1]


@pytest.mark.parametrize("label", ["yes", "2", "no"])
def test_labels_of_the_pairs_are_not_guessed(project: Path, label: str) -> None:
    write(project, [("a", "b", label, "neg")])
    with pytest.raises(PipelineError, match=f"pair 1: original_label is '{label}'; write positive or negative"):
        load_pairs(config(), project / "dataset")


def test_a_file_that_holds_no_pairs_is_named(project: Path) -> None:
    write(project, [])
    with pytest.raises(PipelineError, match="holds no pairs"):
        load_pairs(config(), project / "dataset")
    (project / "pairs.csv").write_text("original,edited,original_label\na,b,pos\n")
    with pytest.raises(PipelineError, match="no column 'edited_label'; a file of pairs has original, edited"):
        load_pairs(config(), project / "dataset")
    with pytest.raises(PipelineError, match=r"evaluation\.contrast_pairs\.path: there is no file .*other\.csv"):
        load_pairs(config(path="other.csv"), project / "dataset")


def test_the_format_of_the_pairs_can_be_stated_as_the_message_says(project: Path) -> None:
    data = "original;edited;original_label;edited_label\nschön;übel;pos;neg\n"
    (project / "pairs.csv").write_text(data, encoding="cp1252")
    with pytest.raises(PipelineError, match=r"set evaluation\.contrast_pairs\.format\.encoding=cp1252, or convert"):
        load_pairs(config(), project / "dataset")
    stated = config().model_copy(update={"format": AUTOMATIC.model_copy(update={"encoding": "cp1252"})})
    assert [pair.edited for pair in load_pairs(stated, project / "dataset")] == ["übel"]


def test_an_edit_of_the_file_changes_what_compose_notes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = project / "params.yaml"
    values = compose_stage.compose_config(["evaluation.contrast_pairs.path=pairs.csv"])
    params.write_text(yaml.safe_dump(values))
    monkeypatch.setattr(compose_stage, "PARAMS", params)
    monkeypatch.setattr(compose_stage, "CODE", project / "code.yaml")
    monkeypatch.setenv("DVC_EXP_NAME", "as DVC has composed it")
    noted = []
    for rows in (PAIRS, PAIRS, PAIRS[:2]):
        write(project, rows)
        compose_stage.main()
        noted.append(yaml.safe_load(params.read_text())["evaluation"]["contrast_pairs"]["fingerprint"])
    assert noted[0] == noted[1] != noted[2]
    assert noted[0].startswith("sha256:")


class Careful(Hasty):
    """Classifier that predicts neutral for texts with one of two words, and positive for others."""

    classes, rule = ("positive", "neutral", "negative"), DecisionRule()

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        rows = [[0.1, 0.7, 0.2] if "tedious" in text or "flat" in text else [0.8, 0.1, 0.1] for text in texts]
        return np.array(rows, np.float32)


def test_pairs_have_two_of_several_classes_and_a_neutral_answer_is_wrong(project: Path) -> None:
    write_dataset(project / "three", classes=Careful.classes)
    state_labels(project, {"positive": [2], "neutral": [1], "negative": [0]}, "three")
    write(project, [*PAIRS[:2], ("I left early.", "I stayed to the end.", "0", "2")])
    pairs = load_pairs(config(), project / "three")
    assert [(pair.original_label, pair.edited_label) for pair in pairs] == [(0, 2), (2, 0), (2, 0)]
    metrics, table = score_pairs(pairs, Careful())
    assert (metrics["original_accuracy"], metrics["edited_accuracy"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert list(table["original_label"]) == ["positive", "negative", "negative"]
    assert list(table["original_probability"]) == pytest.approx([0.8, 0.1, 0.8])
    write(project, [("a", "b", "1", "0")])
    with pytest.raises(PipelineError, match="pair 1: original_label is '1'; write positive or negative"):
        load_pairs(config(), project / "three")
