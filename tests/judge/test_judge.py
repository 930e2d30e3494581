"""`python -m pipeline.judge`: any model on any labelled file."""

import csv
import json
import logging
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from pipeline.config.file_format import AUTOMATIC
from pipeline.config.params import load_params
from pipeline.config.schema import Config
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.judge.comparison import review_keys, seen_reviews
from pipeline.judge.labelled_file import FileReading, read_labelled_rows
from pipeline.judge.options import stated_checks, stated_ignored, stated_labels
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.tracking.store import connect, default_tracking_uri
from tests.support.bad_input import MODEL
from tests.support.commands import SmallProject, judged, params, prepared, project
from tests.support.models import FIVE, THREE, WORDS, word_model
from tests.support.workbooks import workbook_bytes

__all__ = ["judged", "prepared", "project"]  # fixtures

AWFUL, POOR, FAIR = WORDS[:3]
Compose = Callable[..., Config]


@pytest.fixture
def trained(judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A copy of a small project whose model was trained and evaluated."""
    shutil.copytree(judged, tmp_path / "trained")
    return SmallProject(tmp_path / "trained", monkeypatch)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def of_split(project: SmallProject, split: str) -> Path:
    """Write a split of the project's dataset as a file like the one that the project was trained on."""
    rows = pq.read_table(project.root / "artifacts" / "dataset" / split / "rows.parquet").to_pylist()
    values = [(row["text"], ["bad", "good"][row["label"]]) for row in rows]
    return write_csv(project.root / f"{split}.csv", ["review", "verdict"], values)


def results(folder: Path) -> dict[str, Any]:
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("details", "judgement")}


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(project: SmallProject, compose: Compose, name: str, classes: Sequence[str], *rows: tuple[str, str]) -> Path:
    """Save a model that knows a word for each class, and a file of these rows beside it."""
    word_model(project.root / name, compose, classes)
    return write_csv(project.root / f"{name}.csv", ["text", "label"], rows)


def test_the_test_split_gets_the_figures_of_evaluate(
    trained: SmallProject, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert trained.run("judge", *MODEL, "--input", str(of_split(trained, "test")), "--output", "out") == 0
    found, evaluated = (
        results(trained.root / "out"),
        json.loads((trained.root / "reports" / "details.json").read_text()),
    )
    for part in ("test", "slices", "worst_slice"):
        assert found["details"].get(part) == evaluated.get(part)
    assert found["details"]["intervals"]["test"] == evaluated["intervals"]["test"]
    rows = predictions(trained.root / "out")
    assert [row["row"] for row in rows] == [str(number + 1) for number in range(len(rows))]
    right = sum(row["actual"] == row["predicted"] for row in rows)
    assert right / len(rows) == pytest.approx(found["details"]["test"]["accuracy"])
    assert all(
        float(row["probability_negative"]) + float(row["probability_positive"]) == pytest.approx(1) for row in rows
    )
    printed = capsys.readouterr().out
    assert re.search(rf"^accuracy +{evaluated['test']['accuracy']:.4f}  \d\.\d+ to \d\.\d+$", printed, re.MULTILINE)
    assert "No review of the file is among those" in caplog.text
    page = (trained.root / "out" / "report.html").read_text()
    assert "judged on test.csv" in page and "Learning curve" not in page and "registered" not in page


def test_reviews_that_the_model_was_trained_on_are_counted(
    trained: SmallProject, caplog: pytest.LogCaptureFixture
) -> None:
    source = of_split(trained, "train")
    assert trained.run("judge", *MODEL, "--input", str(source), "--output", "out") == 0
    reviews = results(trained.root / "out")["details"]["test"]["reviews"]
    said = f"{reviews} of the {reviews} reviews are among those that artifacts/model was trained or calibrated on"
    assert said in caplog.text and said in (trained.root / "out" / "report.html").read_text()
    (trained.root / "artifacts" / "dataset" / "dataset.json").unlink()
    assert trained.run("judge", *MODEL, "--input", str(source), "--output", "out") == 0
    assert results(trained.root / "out")["judgement"]["known"].startswith("Not checked: whether artifacts/model")


def test_reviews_that_the_compared_model_was_trained_on_are_counted(
    trained: SmallProject, compose: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    word_model(trained.root / "m", compose, ("negative", "positive"))
    source = of_split(trained, "train")
    stated = ("--label-column", "verdict", "--text-column", "review", "--labels", "{negative: [bad], positive: [good]}")
    arguments = ("--model", "m", "--compare", "artifacts/model", "--input", str(source), "--output", "out")
    assert trained.run("judge", *arguments, *stated) == 0
    found = results(trained.root / "out")
    reviews = found["details"]["test"]["reviews"]
    said = f"{reviews} of the {reviews} reviews are among those that artifacts/model was trained or calibrated on"
    assert said in found["judgement"]["compared_known"] and found["judgement"]["known"].startswith("Not checked: whe")
    assert said in caplog.text and said in (trained.root / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("learned", "known"),
    [
        ({}, False),
        ({"training": {"virtual_weight": 1.0}}, True),
        ({"pseudo_labels": {"teacher": {"epochs": 1}}}, True),
        ({"training": {"auxiliary_weight": 0.0}}, False),
    ],
)
def test_unlabelled_reviews_are_known_to_a_model_that_was_trained_on_them(
    trained: SmallProject, learned: dict[str, dict[str, Any]], known: bool
) -> None:
    unlabelled = trained.root / "artifacts" / "dataset" / "unlabelled"
    unlabelled.mkdir()
    pq.write_table(pa.table({"text": ["Nobody has a label for this."]}), unlabelled / "rows.parquet")
    info = json.loads((trained.root / "artifacts" / "model" / "config.json").read_text())
    for section, values in learned.items():
        info[section] |= values
    read = ModelInfo.model_validate(info)
    keys = review_keys(["nobody has a label for this!"])
    assert seen_reviews(keys, read, trained.root / "artifacts" / "dataset") == int(known)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_every_format_is_judged_alike(project: SmallProject, compose: Compose, ending: str) -> None:
    word_model(project.root / "m", compose, THREE)
    rows = [
        (AWFUL, "bad"),
        (POOR, "so so"),
        (FAIR, "good"),
        (FAIR, "bad"),
        ("<br>", "bad"),
        (POOR, ""),
        (POOR, "Good "),
    ]
    source = project.root / f"in.{ending}"
    match ending:
        case "parquet":
            pq.write_table(pa.table(dict(zip(["text", "label"], zip(*rows, strict=True), strict=True))), source)
        case "jsonl":
            source.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
        case "xlsx":
            source.write_bytes(workbook_bytes([["text", "label"], *map(list, rows)]))
        case _:
            mark = "\t" if ending == "tsv" else ","
            source.write_text("".join(mark.join(row) + "\n" for row in [("text", "label"), *rows]))
    assert project.run("judge", "--model", "m", "--input", source.name, "--output", "out") == 0
    found = results(project.root / "out")
    assert found["judgement"]["rows"] == {"judged": 5, "no_label": 1, "empty_text": 1}
    assert found["details"]["test"]["accuracy"] == 3 / 5
    table = pq.read_table if ending == "parquet" else None
    rows = (
        table(project.root / "out" / "predictions.parquet").to_pylist() if table else predictions(project.root / "out")
    )
    assert [(int(row["row"]), row["actual"], row["predicted"]) for row in rows] == [
        (1, "bad", "bad"),
        (2, "so so", "so so"),
        (3, "good", "good"),
        (4, "bad", "good"),
        (7, "good", "so so"),
    ]


@pytest.mark.parametrize(
    ("labels", "stated", "actual"),
    [
        (["neg", "pos"], None, ["negative", "positive"]),
        (["neg"], None, ["negative"]),
        (["0", "1"], None, ["negative", "positive"]),
        (["False", "True"], None, ["negative", "positive"]),
        (["Positive", "positive"], None, ["positive", "positive"]),
        (["2", "9"], "{negative: '<=4', positive: '>=7'}", ["negative", "positive"]),
        (["2", "negative"], "{positive: [2]}", ["positive", "negative"]),
    ],
)
def test_labels_mean_what_leaves_no_doubt_or_is_stated(
    project: SmallProject, compose: Compose, labels: list[str], stated: str | None, actual: list[str]
) -> None:
    classes = ("negative", "positive")
    source = words(project, compose, "m", classes, *((AWFUL, label) for label in labels))
    reading = FileReading(AUTOMATIC, labels=stated_labels(stated, classes))
    read = read_labelled_rows(source, Predictor.load(project.root / "m").info, reading)
    assert [classes[number] for number in read.rows["label"].to_pylist()] == actual


@pytest.mark.parametrize(
    ("trained_on", "columns", "message"),
    [
        ("verdict", ("text", "label", "probability"), r"has no column 'verdict'; .*: name one with --label-column"),
        (None, ("text", "label", "probability"), r"'label' and 'probability', which `predict` writes; name"),
        ("label", ("text", "label", "probability"), r"'label' and 'probability', which `predict` writes; name"),
        ("label", ("text", "label", "score"), None),
        (None, ("text", "label", "score"), None),
    ],
)
def test_answers_of_predict_are_not_taken_for_the_truth(
    project: SmallProject, compose: Compose, trained_on: str | None, columns: Sequence[str], message: str | None
) -> None:
    words(project, compose, "m", ("negative", "positive"))
    info = json.loads((project.root / "m" / "config.json").read_text())
    info = ModelInfo.model_validate(info | {"corpus": {"label_column": trained_on}})
    source = write_csv(project.root / "answers.csv", columns, [(AWFUL, "negative", "0.1")])
    if message is not None:
        with pytest.raises(PipelineError, match=message):
            read_labelled_rows(source, info, FileReading(AUTOMATIC))
    stated = FileReading(AUTOMATIC, label_column="label" if message else None)
    assert read_labelled_rows(source, info, stated).rows["label"].to_pylist() == [0]


def test_the_name_of_a_class_may_be_a_value_of_another_but_not_in_silence(
    project: SmallProject, compose: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    words(project, compose, "m", ("1", "2", "3"), *((AWFUL, label) for label in ("1", "2", "3", "5")))
    options = ("--labels", "{'1': [1, 2], '2': [3], '3': [4, 5]}")
    assert project.run("judge", "--model", "m", "--input", "m.csv", "--output", "out", *options) == 0
    assert [row["actual"] for row in predictions(project.root / "out")] == ["1", "1", "2", "3"]
    assert "of m.csv: names of classes that mean others, as --labels says: 2 (1 row), 3 (1 row)" in caplog.text


@pytest.mark.parametrize("option", [">=4", ">4 <7", " <2", "'>4 <7'"])
def test_a_comparison_is_ignored_with_and_without_quotes_of_yaml(option: str) -> None:
    assert stated_ignored(option) == option.strip(" '")


def test_classes_named_by_numbers_are_stated_by_numbers() -> None:
    assert stated_labels("{1: [one], '2': [two]}", ["1", "2"]) == {"1": ["one"], "2": ["two"]}


@pytest.mark.parametrize(
    ("read", "option"),
    [
        (stated_ignored, "[2024-13-45]"),
        (stated_ignored, "[" * 5000),
        (stated_ignored, f"[{'9' * 5000}]"),
        (lambda option: stated_labels(option, ["1"]), "[" * 5000),
        (lambda option: stated_labels(option, ["no"]), "{no: [0]}"),
        (lambda option: stated_checks([option]), "test.accuracy>=1e999"),
    ],
)
def test_an_option_of_a_wrong_form_is_one_line(read: Callable[[str], object], option: str) -> None:
    with pytest.raises(PipelineError, match=rf"^--(ignore-labels|labels|check) {re.escape(option)}: "):
        read(option)


def test_labels_are_stated_and_ignored_on_the_command_line(project: SmallProject, compose: Compose) -> None:
    words(project, compose, "m", ("negative", "positive"), (AWFUL, "2"), (AWFUL, "mixed"))
    options = ("--labels", "{negative: [2]}", "--ignore-labels", "[mixed]")
    assert project.run("judge", "--model", "m", "--input", "m.csv", "--output", "out", *options) == 0
    assert [row["actual"] for row in predictions(project.root / "out")] == ["negative"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["1", "1"], r"'negative', 'positive': 1 \(2 rows\); .* --ignore-labels '\[\.\.\.\]'"),
        (["0", "1", "2"], r"0 \(1 row\), 1 \(1 row\), 2 \(1 row\)"),
        (["positive", "mixed", "mixed", "so"], r"'mixed' \(2 rows\), 'so' \(1 row\); .*labels '\[mixed, so\]'"),
    ],
)
def test_labels_that_leave_doubt_are_named_and_counted(
    project: SmallProject, compose: Compose, capfd: pytest.CaptureFixture[str], labels: list[str], message: str
) -> None:
    words(project, compose, "m", ("negative", "positive"), *((AWFUL, label) for label in labels))
    assert project.run("judge", "--model", "m", "--input", "m.csv", "--output", "out") == 2
    assert re.search(message, capfd.readouterr().err)
    assert not (project.root / "out").exists()


def test_two_models_are_compared_on_the_same_rows(
    project: SmallProject, compose: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*[(AWFUL, "negative")] * 6, *[(POOR, "positive")] * 6, *[(FAIR, "negative")] * 4]
    source = words(project, compose, "m", ("negative", "positive"), *rows)
    content = word_model(project.root / "other", compose, ("negative", "positive")) / "vocab.json"
    known = json.loads(content.read_text())
    content.write_text(json.dumps([{AWFUL: POOR, POOR: AWFUL}.get(word, word) for word in known]))
    arguments = ("--model", "m", "--compare", "other", "--input", source.name, "--output", "out")
    assert project.run("judge", *arguments, "--check", "intervals.difference.accuracy.low>=0") == 0
    metrics = results(project.root / "out")["details"]
    p_value = binomtest(12, 12).pvalue
    assert metrics["paired"] == {"model_only": 12, "compared_only": 0, "p_value": pytest.approx(p_value)}
    assert metrics["test"]["accuracy"] - metrics["baseline"]["accuracy"] == 12 / 16
    bounds = metrics["intervals"]["difference"]["accuracy"]
    assert bounds["low"] < 12 / 16 < bounds["high"]
    printed = capsys.readouterr().out
    assert "accuracy minus that of other: 0.7500 (paired 95 % interval" in printed
    assert f"only the model is right: 12, only other: 0; McNemar's exact test: p = {p_value:.4f}\n" in printed
    row = predictions(project.root / "out")[0]
    assert (row["predicted"], row["compared_predicted"]) == ("negative", "positive")
    page = (project.root / "out" / "report.html").read_text()
    assert "other classifies" in page and "only other" in page and "TF-IDF" not in page
    assert (
        project.run(
            "judge", "--model", "other", "--compare", "m", "--input", source.name, "--check", "paired.p_value>=1"
        )
        == 1
    )


def test_reviews_that_repeat_another_are_counted(
    project: SmallProject, compose: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    classes = ("negative", "positive")
    repeated = [(AWFUL, "negative"), (f"{AWFUL.title()}!", "negative"), (POOR, "positive"), (POOR, "positive")]
    source = words(project, compose, "m", classes, *repeated)
    assert project.run("judge", "--model", "m", "--input", source.name, "--output", "out") == 0
    said = "2 of the 4 reviews repeat another"
    assert said in caplog.text and said in (project.root / "out" / "report.html").read_text()
    assert results(project.root / "out")["judgement"]["repeated"].startswith(said)
    write_csv(source, ["text", "label"], repeated[::2])
    assert project.run("judge", "--model", "m", "--input", source.name, "--output", "out") == 0
    assert results(project.root / "out")["judgement"]["repeated"] is None


def test_models_of_other_classes_are_not_compared(
    project: SmallProject, compose: Compose, capfd: pytest.CaptureFixture[str]
) -> None:
    source = words(project, compose, "m", FIVE, (AWFUL, "1 star"))
    word_model(project.root / "other", compose, THREE)
    assert project.run("judge", "--model", "m", "--compare", "other", "--input", source.name) == 2
    assert "--compare other: its classes are 'bad', 'so so', 'good'" in capfd.readouterr().err


def test_a_failed_check_has_an_exit_code_of_its_own(
    project: SmallProject, compose: Compose, capfd: pytest.CaptureFixture[str]
) -> None:
    source = words(project, compose, "m", ("negative", "positive"), (AWFUL, "negative"), (POOR, "negative"))
    run = ("--model", "m", "--input", source.name, "--output", "out")
    assert project.run("judge", *run, "--check", "test.accuracy>=0.5") == 0
    assert project.run("judge", *run, "--check", "test.accuracy >= .6", "--check", "test.reviews<=2") == 1
    assert "checks: FAILED\n  test.accuracy >= .6: test.accuracy 0.5000 (min 0.6): FAILED" in capfd.readouterr().out
    assert [check["passed"] for check in results(project.root / "out")["judgement"]["checks"]["checks"]] == [
        False,
        True,
    ]
    assert project.run("judge", *run, "--check", "test.acuracy>=0.5") == 2
    assert (
        "--check test.acuracy>=0.5: there is no metric 'test.acuracy'; choose from test.accuracy"
        in capfd.readouterr().err
    )


def test_only_an_earlier_judgement_is_replaced(
    project: SmallProject,
    compose: Compose,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = words(project, compose, "m", ("negative", "positive"), (AWFUL, "negative"), (POOR, "positive"))
    run = ("--model", "m", "--input", source.name)
    for _ in range(2):
        assert project.run("judge", *run) == 0
    assert "is replaced" not in caplog.text
    (project.root / "b").mkdir()
    shutil.copy(source, project.root / "b")
    (project.root / "b" / source.name).write_text(source.read_text() + f"{AWFUL},negative\n")
    assert project.run("judge", "--model", "m", "--input", f"b/{source.name}") == 0
    told = "judgements/m.csv-m: the judgement of another file, or of this one before an edit, is replaced"
    assert told in caplog.text
    folder = project.root / "judgements" / "m.csv-m"
    before = project.contents()
    assert project.run("judge", *run, "--check", "none<=1") == 2  # found out only when all is computed
    assert project.contents() == before
    (folder / "notes.txt").write_text("mine")
    assert project.run("judge", *run) == 2
    assert "holds 'notes.txt', which is of no judgement; name another folder" in capfd.readouterr().err
    assert project.run("judge", *run, "--output", "artifacts") == 2
    assert (folder / "notes.txt").read_text() == "mine"


def test_columns_of_the_file_stay_and_slice(project: SmallProject, compose: Compose) -> None:
    word_model(project.root / "m", compose, ("negative", "positive"))
    rows = [(AWFUL, "negative", "a", "x"), (POOR, "negative", "b", "y")]
    write_csv(project.root / "in.csv", ["text", "label", "film", "predicted"], rows)
    assert project.run("judge", "--model", "m", "--input", "in.csv", "--output", "out", "--slice", "film") == 0
    assert results(project.root / "out")["details"]["slices"]["film"] == {"a": 1, "b": 0}
    configured = {"corpus.keep_columns": ["film"], "evaluation.slices": ["film"]}
    (project.root / "params.yaml").write_text(params("files", configured))
    assert project.run("judge", "--model", "m", "--input", "in.csv", "--output", "out") == 0
    assert results(project.root / "out")["details"]["slices"]["film"] == {"a": 1, "b": 0}
    row = predictions(project.root / "out")[1]
    assert (row["predicted"], row["judged_predicted"], row["judged_actual"]) == ("y", "positive", "negative")


def test_a_logged_judgement_belongs_to_the_version(trained: SmallProject) -> None:
    assert trained.run("register") == 0
    source = of_split(trained, "test")
    model = "models:/sentiment@champion"
    assert trained.run("judge", "--model", model, "--input", source.name, "--log") == 0
    store = connect(
        load_params(trained.root / "params.yaml").tracking.model_copy(
            update={"uri": f"sqlite:///{trained.root}/mlflow.db"}
        )
    )
    (found,) = store.client.search_runs([store.experiment_id], "tags.stage = 'judge'")
    run = store.client.get_run(found.info.run_id)
    version = store.client.get_model_version_by_alias("sentiment", "champion")
    assert (run.info.status, run.data.tags["mlflow.parentRunId"]) == ("FINISHED", version.run_id)
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("test.csv", file_digest(source, "sha256")[:36])
    (logged,) = run.inputs.model_inputs
    accuracy = results(trained.root / "judgements" / "test.csv-sentiment-champion")["details"]["test"]["accuracy"]
    on_model = {metric.key: metric for metric in store.client.get_logged_model(logged.model_id).metrics}
    assert (on_model["test/accuracy"].value, on_model["test/accuracy"].dataset_name) == (accuracy, "test.csv")
    assert {file.path for file in store.client.list_artifacts(run.info.run_id, "reports")} == {
        "reports/report.html",
        "reports/details.json",
    }
    assert trained.run("judge", "--model", version.run_id, "--input", source.name, "--log", "--output", "of_run") == 0
    assert results(trained.root / "of_run")["details"]["test"]["accuracy"] == accuracy


def test_a_judgement_is_of_the_version_that_was_loaded_though_another_is_champion_by_then(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained.run("register") == 0
    tracking = load_params(trained.root / "params.yaml").tracking
    store = connect(tracking.model_copy(update={"uri": f"sqlite:///{trained.root}/mlflow.db"}))
    first = store.client.get_model_version("sentiment", "1")
    other = store.client.create_run(store.experiment_id).info.run_id
    with default_tracking_uri(store):
        store.client.create_model_version("sentiment", first.source, other)
    load = Predictor.load

    def meanwhile(folder: Path) -> Predictor:
        store.client.set_registered_model_alias("sentiment", "champion", "2")
        return load(folder)

    monkeypatch.setattr(Predictor, "load", meanwhile)
    source, champion = of_split(trained, "test").name, "models:/sentiment@champion"
    arguments = ("--model", champion, "--compare", champion, "--input", source, "--log", "--output", "out")
    assert trained.run("judge", *arguments) == 0
    judgement = results(trained.root / "out")["judgement"]
    assert (judgement["about"][:19], judgement["compared_about"][:19]) == ("sentiment version 1",) * 2
    (logged,) = store.client.search_runs([store.experiment_id], "tags.stage = 'judge'")
    tags = logged.data.tags
    assert (tags["judged.model"], tags["judged.compared"]) == ("models:/sentiment/1",) * 2
    assert tags["mlflow.parentRunId"] == first.run_id


def test_a_slice_with_the_name_of_one_of_the_pipelines_own_is_refused(
    project: SmallProject, compose: Compose, capfd: pytest.CaptureFixture[str]
) -> None:
    word_model(project.root / "m", compose, ("negative", "positive"))
    write_csv(project.root / "in.csv", ["text", "label", "length"], [(AWFUL, "negative", "short film")])
    assert project.run("judge", "--model", "m", "--input", "in.csv", "--slice", "length") == 2
    assert "--slice length: a column of the pipeline's own has this name; rename yours" in capfd.readouterr().err
