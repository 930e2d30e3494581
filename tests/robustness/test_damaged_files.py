"""Files of the pipeline that were edited, or damaged by a disk: the next command names the file."""

import json
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluation import checks
from pipeline.memory_ladder.record import read_ladder
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from pipeline.text.dataset import read_dataset_record, read_split, read_vectors
from pipeline.training.pseudo_labels import load_pseudo_labels, save_pseudo_labels
from tests.conftest import describe_dataset
from tests.support.bad_input import MODEL
from tests.support.commands import SmallProject, judged, prepared

__all__ = ["judged", "prepared"]  # fixtures

Edit = Callable[[Path], object]
DATASET = "artifacts/dataset"
VERDICT = "reports/verdict.json"


def array(change: Callable[[Any], Any]) -> Edit:
    """Replace the array of a file."""
    return lambda path: np.save(path, change(np.load(path)))


def number(index: int, value: int) -> Edit:
    """Change one number of an array."""

    def change(numbers: Any) -> Any:
        numbers[index] = value
        return numbers

    return array(change)


def table(change: Callable[[pa.Table], pa.Table]) -> Edit:
    """Replace the table of a file."""
    return lambda path: pq.write_table(change(pq.read_table(path)), path)


def column(name: str, values: Callable[[int], pa.Array]) -> Edit:
    """Replace the values of a column; `values` gets their number."""
    return table(lambda rows: rows.set_column(rows.schema.names.index(name), name, values(len(rows))))


def value(key: str, value: Any) -> Edit:
    """Set a value of a JSON file."""

    def edit(path: Path) -> None:
        *sections, name = key.split("/")
        section = values = json.loads(path.read_text())
        for part in sections:
            section = section[part]
        section[name] = value
        path.write_text(json.dumps(values))

    return edit


def missing(key: str) -> Edit:
    """Remove a value from a JSON file."""

    def edit(path: Path) -> None:
        *sections, name = key.split("/")
        section = values = json.loads(path.read_text())
        for part in sections:
            section = section[part]
        del section[name]
        path.write_text(json.dumps(values))

    return edit


def content(new: bytes) -> Edit:
    return lambda path: path.write_bytes(new)


def added(further: bytes) -> Edit:
    return lambda path: path.write_bytes(path.read_bytes() + further)


ROWS, PREDICTIONS = f"{DATASET}/test/rows.parquet", "artifacts/predictions.parquet"
CASES: list[tuple[str, str, Edit, str]] = [
    ("train", f"{DATASET}/train/ids.npy", number(5, 10**6), "not all of its values are from 0 to 64"),
    ("train", f"{DATASET}/train/ids.npy", number(5, -3), "not all of its values are from 0 to 64"),
    ("train", f"{DATASET}/train/ids.npy", array(lambda ids: ids.astype(float)), "it holds float64, not int32"),
    ("train", f"{DATASET}/train/ids.npy", array(lambda ids: ids[None]), "its size is 1 x 3195, not 3195"),
    ("train", f"{DATASET}/train/ids.npy", array(lambda ids: ids[:-9]), "its size is 3186, not 3195"),
    ("train", f"{DATASET}/train/offsets.npy", number(5, 1), "its numbers are not ascending"),
    ("train", f"{DATASET}/train/offsets.npy", number(0, 1), "it does not begin with 0"),
    ("train", f"{DATASET}/validation/offsets.npy", array(lambda offsets: offsets[:0]), "it does not begin with 0"),
    ("train", f"{DATASET}/train/labels.npy", number(0, 7), "not all of its values are from 0 to 1"),
    ("train", f"{DATASET}/validation/labels.npy", array(lambda labels: labels[:-1]), "its size is 27, not 28"),
    ("train", f"{DATASET}/vocab.json", lambda path: path.write_text('["<pad>", "<unk>"]'), "it has 2 words, not 65"),
    ("train", f"{DATASET}/vocab.json", content(b'["<pad>", "<unk>", "\\ud800"]'), "is no vocabulary"),
    ("train", f"{DATASET}/dataset.json", value("corpus/name", [1]), "'corpus.name': .*string"),
    ("train", f"{DATASET}/dataset.json", missing("corpus/licence"), "it has no 'corpus.licence'"),
    ("train", f"{DATASET}/dataset.json", value("splits/train", "many"), "'splits.train': .*integer"),
    ("evaluate", f"{DATASET}/test/offsets.npy", number(5, 1), "its numbers are not ascending"),
    ("evaluate", ROWS, table(lambda rows: rows.drop_columns("id")), "'id' holds nothing"),
    ("evaluate", ROWS, table(lambda rows: rows[:7]), "it has 7 rows, not 58"),
    ("evaluate", ROWS, column("text", lambda n: pa.array(range(n))), "'text' holds int64"),
    ("evaluate", ROWS, column("text", lambda n: pa.nulls(n, "string")), "'text' lacks a value"),
    ("evaluate", ROWS, column("label", lambda n: pa.array([7] * n, "int8")), "neither 0 nor 1"),
    ("evaluate", f"{DATASET}/validation/rows.parquet", content(b"PAR1junkPAR1"), "is damaged"),
    ("evaluate", "artifacts/run.json", missing("train_seconds"), "it has no 'train_seconds'"),
    ("evaluate", "artifacts/run.json", value("train_seconds", "long"), "'train_seconds': .*number, got 'long'"),
    ("evaluate", "artifacts/run.json", value("origin", {"model": "lstm"}), "'origin' has no 'git.commit'"),
    ("evaluate", "reports/learning_curve.csv", content(b"a,b\n1,2\n"), "it has no row, or one that is not epoch"),
    ("evaluate", "reports/learning_curve.csv", added(b"3\n"), "it has no row, or one that is not epoch"),
    ("evaluate", "reports/learning_curve.csv", added(b"3,low,1,1,1\n"), "could not convert string to float: 'low'"),
    ("evaluate", "reports/learning_curve.csv", content(b"\xff\xfe"), "can't decode byte"),
    ("evaluate", "reports/data.json", content(b'{"corpus": "files"}'), "it has no 'vocabulary'"),
    ("evaluate", "reports/data.json", value("splits/train/tokens/p50", "x"), "'splits.train.tokens.p50': .*integer"),
    ("register", "reports/verdict.json", content(b'{"passed": false, "checks": ["x"]}'), "'checks.0': .*got 'x'"),
    ("register", "reports/verdict.json", content(b'{"passed": false, "checks": [{}]}'), "it has no 'checks.0.name'"),
    ("register", "reports/verdict.json", value("passed", False), "'passed' does not follow from the checks"),
    ("register", "reports/details.json", value("test/accuracy", "high"), "'test.accuracy': .*number, got 'high'"),
    ("register", "reports/details.json", value("test/f1", [1]), "'test.f1"),
    ("register", "reports/details.json", value("test", {}), "it has no 'test.accuracy'"),
    ("register", "reports/details.json", value("intervals/test/accuracy", 5), "'intervals.test.accuracy'"),
    ("register", "reports/details.json", value("parts", {"lstm": {"accuracy": 1.0}}), "no 'parts.lstm.log_loss'"),
    ("register", "reports/details.json", value("behaviour", {"negation": {}}), "no 'behaviour.negation.failure_rate'"),
    ("register", PREDICTIONS, content(b""), "is damaged"),
    ("register", PREDICTIONS, table(lambda rows: rows.drop_columns("predicted")), "holds nothing"),
    ("register", PREDICTIONS, column("predicted", lambda n: pa.array([-1] * n, "int8")), "an index below 0"),
    ("register", PREDICTIONS, Path.unlink, "is missing"),
    ("register", "artifacts/model/config.json", value("corpus", [1]), "'corpus': .*dictionary"),
    ("predict", "artifacts/model/config.json", value("threshold", "half"), "'threshold': .*number"),
    ("preprocess", "data/corpus.json", missing("citation"), "it has no 'citation'"),
    ("preprocess", "data/train.parquet", table(lambda rows: rows.drop_columns("label")), "it has 0 columns 'label'"),
    ("preprocess", "data/train.parquet", table(lambda rows: rows.append_column("text", rows["text"])), "2 columns"),
    ("preprocess", "data/train.parquet", column("label", lambda n: pa.array([7] * n, "int8")), "not from 0 to 1"),
    ("preprocess", "data/train.parquet", column("text", lambda n: pa.nulls(n, "string")), "'text' lacks a value"),
    ("preprocess", "data/train.parquet", column("id", lambda n: pa.array(range(n))), "'id' holds int64, not string"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "file", "edit", "message"), CASES)
def test_a_damaged_file_is_named_and_nothing_is_changed(
    command, file, edit, message, judged, tmp_path, monkeypatch, capfd
):
    shutil.copytree(judged, tmp_path / "project")
    project = SmallProject(tmp_path / "project", monkeypatch)
    edit(project.root / file)
    if command == "register" and file != VERDICT:
        value("judged", checks.checked_digests(project.root))(project.root / VERDICT)  # or it would be called another's
    before = project.contents()
    capfd.readouterr()
    assert project.run(command, *([*MODEL, "a film"] if command == "predict" else [])) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and f"{file} is" in last and re.search(message, last), last
    assert project.contents() == before


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("vectors.npy", np.ones((4, 3), np.float32), "its size is 4 x 3, not 5 x any"),
        ("vectors.npy", np.ones((5, 3)), "it holds float64, not float32"),
        ("vectors.npy", np.full((5, 3), np.nan, np.float32), "not all of its values are from"),
        ("vectors_covered.npy", np.ones(5, np.int8), "it holds int8, not bool"),
        ("vectors_covered.npy", np.ones(4, np.bool_), "its size is 4, not 5"),
    ],
)
def test_damaged_word_vectors_are_named(file, values, message, tmp_path):
    describe_dataset(tmp_path, words=5)
    np.save(tmp_path / "vectors.npy", np.ones((5, 3), np.float32))
    np.save(tmp_path / "vectors_covered.npy", np.ones(5, np.bool_))
    assert read_vectors(tmp_path)
    np.save(tmp_path / file, values)
    with pytest.raises(PipelineError, match=f"{file} is damaged: {message}.*; prepare the dataset"):
        read_vectors(tmp_path)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.full((49, 2), 0.5, np.float32), "its size is 49 x 2, not 50 x 2"),
        (np.full((50, 2), 0.5), "it holds float64, not float32"),
        (np.full((50, 2), 1.5, np.float32), "not all of its values are from 0 to 1"),
        (np.full((50, 2), np.nan, np.float32), "not all of its values are from 0 to 1"),
    ],
)
def test_damaged_pseudo_labels_are_named(probabilities, message, compose, tmp_path):
    config = compose("pseudo_labels=teacher")
    describe_dataset(tmp_path, unlabelled=50)
    save_pseudo_labels(tmp_path / "labels", config, "digest", probabilities, {})
    with pytest.raises(PipelineError, match=f"probabilities.npy is damaged: {message}; label again"):
        load_pseudo_labels(tmp_path / "labels", config, read_dataset_record(tmp_path))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"lstm": {}}, "it has no 'models.lstm.kind'"),
        ({"lstm": {"kind": "transformer"}}, "'models.lstm.kind': .*'lstm'"),
        ([], "'models': .*dictionary"),
    ],
)
def test_a_damaged_ladder_of_memory_is_named(models, message, compose, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    describe_dataset(tmp_path)
    config = compose().evaluation.memory_ladder.model_copy(update={"fingerprint": "sha256:0"})
    write_json(tmp_path / config.path, {"dataset": "digest", "models": models})
    with pytest.raises(PipelineError, match=f"memory_ladder.json is damaged: {message}"):
        read_ladder(config, tmp_path)


def test_arrays_are_checked_without_a_place_in_memory(tmp_path):
    describe_dataset(tmp_path)
    (tmp_path / "train").mkdir()
    np.save(tmp_path / "train" / "ids.npy", np.zeros(10**7, np.int32))
    np.save(tmp_path / "train" / "offsets.npy", np.arange(0, 10**7 + 1, 10**4))
    np.save(tmp_path / "train" / "labels.npy", np.zeros(1000, np.int8))
    tracemalloc.start()
    read_split(tmp_path, "train")
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20 < 4 * 10**7
    tracemalloc.stop()
