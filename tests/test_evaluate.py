"""The stage `evaluate`."""

import json
import logging
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from pipeline import evaluated_model
from pipeline.config.labels import LABELS
from pipeline.config.schema import Config
from pipeline.evaluation import scored_splits
from pipeline.evaluation.records import DetailsRecord
from pipeline.evaluation.scored_splits import read_baseline_texts
from pipeline.inference import model_folder
from pipeline.inference.calibration_fitting import calibrate
from pipeline.inference.model_info import LearnedFrom
from pipeline.networks.build import build_network
from pipeline.networks.likelihood import Likelihood, build_likelihood
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import read_json
from pipeline.text.rows import read_texts, stream_texts
from pipeline.text.vocabulary import SPECIALS, Encoder, Vocabulary
from tests.conftest import configuration, made_once
from tests.support.models import of_classes
from tests.support.scored import labelled_texts, write_dataset

CURVE = "epoch,train_loss,val_loss,val_calibrated_loss,val_accuracy\n1,0.6,0.5,0.5,0.75\n2,0.4,0.45,0.44,0.8\n"


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def config(*overrides: str) -> Config:
    return configuration(*(overrides or ("model=bag_of_words",)), "registry.checks.better_than_majority.min=-9")


@pytest.fixture(autouse=True)
def _fresh_store(tmp_path: Path, fresh_database: Path) -> None:
    shutil.copy(fresh_database, tmp_path)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return prepare(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the stage has run. Not to be changed."""

    def evaluate(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            prepare(folder, patch)
            evaluated_model.evaluate_model(config(), Inputs({}))

    return made_once(tmp_path_factory, "evaluated", evaluate)


@pytest.fixture
def evaluated(first_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change."""
    shutil.copytree(first_run, tmp_path, dirs_exist_ok=True)
    use(tmp_path, monkeypatch)
    return tmp_path


def use(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the stage run in this workspace."""
    torch.set_num_threads(1)
    for name, value in list(vars(evaluated_model).items()):
        if isinstance(value, Path) and name != "SUITE_FOLDER":  # the templates of the behaviour suite
            monkeypatch.setattr(evaluated_model, name, workspace / value.relative_to(WORKSPACE))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace}/mlflow.db")


def prepare(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    classes: Sequence[str] = LABELS,
    ordered: bool = False,
    model: Sequence[str] = (),
) -> Path:
    """Return a workspace as `train` leaves it, with a network of random weights for these classes.

    The network is a bag of words, or what the overrides `model` make of the default.
    """
    use(tmp_path, monkeypatch)
    write_dataset(tmp_path / "artifacts" / "dataset", classes=classes, ordered=ordered)
    words = sorted({word for text in labelled_texts(classes)[0] for word in text.split()})
    vocabulary = Vocabulary([*SPECIALS, *words])
    settings = config(*model)
    torch.manual_seed(0)
    likelihood = build_likelihood(len(classes), ordered)
    network = build_network(settings.model, len(vocabulary), likelihood)
    if isinstance(network, WideAndDeep):
        torch.nn.init.normal_(network.wide.weight)
        torch.nn.init.normal_(network.wide.ratio)
    info = {
        **of_classes(classes, ordered, temperature=1.5),
        **settings.model_dump(include=model_folder.TRAINED_WITH),
    }
    folder = tmp_path / "artifacts" / "model"
    model_folder.save_model(folder, network, vocabulary, info | {"dataset": {"digest": "digest"}})
    run = {"run_id": "unknown", "train_seconds": 1.5, "reviews_per_second": 16.0, "epochs": 2}
    run |= {"model": folder_digest(folder)}
    run |= {"device": "cpu", "precision": "32-true", "threads": 1}
    (tmp_path / "artifacts" / "run.json").write_text(json.dumps(run))
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "learning_curve.csv").write_text(CURVE)
    return tmp_path


def test_stage_writes_every_report_and_repeats_itself(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifacts, reports = evaluated / "artifacts", evaluated / "reports"
    steady = [reports / name for name in ("details.json", "verdict.json", "behaviour.json", "report.html")]
    steady.append(artifacts / "predictions.parquet")
    first = [path.read_bytes() for path in steady], files(reports / "plots"), files(reports / "figures")
    evaluated_model.evaluate_model(config(), Inputs({}))
    assert first == ([path.read_bytes() for path in steady], files(reports / "plots"), files(reports / "figures"))

    values = json.loads((reports / "details.json").read_text())
    predictions = pq.read_table(artifacts / "predictions.parquet").to_pylist()
    assert [(row["split"], row["id"], row["stars"]) for row in predictions[24:26]] == [
        ("test", "test-0", 0),
        ("test", "test-1", 1),
    ]
    right = [(row["probability"] >= 0.5) == row["label"] for row in predictions if row["split"] == "test"]
    assert values["test"]["accuracy"] == np.mean(right)
    assert values["baseline"]["accuracy"] == 1
    assert "parts" not in values
    assert values["contrast"]["pairs"] == 60
    speed = json.loads((reports / "speed.json").read_text())
    assert speed["train"]["seconds"] == 1.5
    assert speed["predict"]["reviews_per_second"] > 0
    printed = capsys.readouterr().out
    assert "24 test reviews" in printed
    assert "60 contrast pairs: original accuracy 0." in printed
    assert_dvc_finds_the_columns_of_its_plots(evaluated)


def assert_dvc_finds_the_columns_of_its_plots(workspace: Path) -> None:
    plots = yaml.safe_load((WORKSPACE / "dvc.yaml").read_text())["plots"]
    for plot in (plot for named in plots for plot in named.values()):
        ((file, names),) = plot["y"].items()
        header = (workspace / file).read_text(encoding="utf-8").splitlines()[0].split(",")
        assert {plot["x"], *([names] if isinstance(names, str) else names)} <= set(header)


def test_held_out_auxiliary_texts_are_reported_apart(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, reports = evaluated / "artifacts" / "dataset", evaluated / "reports"
    alone = json.loads((reports / "details.json").read_text())
    assert "auxiliary" not in alone
    assert "Auxiliary texts" not in (reports / "report.html").read_text()

    for split in ("auxiliary", "auxiliary_test"):
        shutil.copytree(dataset / "train", dataset / split)
    record = json.loads((dataset / "dataset.json").read_text())
    record["splits"] |= {"auxiliary": 24, "auxiliary_test": 24}
    record["corpus"]["config"] = {"auxiliary": {"name": "postcards"}}
    (dataset / "dataset.json").write_text(json.dumps(record))
    evaluated_model.evaluate_model(config(), Inputs({}))
    metrics = json.loads((reports / "details.json").read_text())
    held_out = metrics["auxiliary"]
    assert held_out["reviews"] == 24
    assert held_out["accuracy"] == metrics["test"]["accuracy"], "the same texts"
    assert held_out["baseline_accuracy"] == 1
    assert held_out["accuracy_low"] < held_out["accuracy"] < held_out["accuracy_high"]
    assert metrics["test"] == alone["test"]
    assert "24 held-out auxiliary texts: accuracy model 0." in capsys.readouterr().out
    assert "Auxiliary texts: postcards" in (reports / "report.html").read_text()


def test_the_baseline_learns_from_auxiliary_texts_too(workspace: Path) -> None:
    dataset = workspace / "artifacts" / "dataset"
    shutil.copytree(dataset / "train", dataset / "auxiliary")
    rows = pq.read_table(dataset / "auxiliary" / "rows.parquet")
    turned = rows.set_column(2, "label", pc.subtract(pa.scalar(1, pa.int8()), rows["label"]))
    pq.write_table(pa.concat_tables([turned] * 3), dataset / "auxiliary" / "rows.parquet")
    record = json.loads((dataset / "dataset.json").read_text())
    record["splits"] |= {"auxiliary": 72}
    (dataset / "dataset.json").write_text(json.dumps(record))
    learned = read_baseline_texts(dataset, LearnedFrom())
    assert list(learned.texts) == [*read_texts(dataset, "train")[0], *read_texts(dataset, "auxiliary")[0]]
    assert len(learned.labels) == 96
    assert learned.weights is None
    assert learned.sample is None
    np.save(dataset / "train" / "copies.npy", np.full(24, 3, np.int32))
    assert read_baseline_texts(dataset, LearnedFrom()).weights.tolist() == [3] * 24 + [1] * 72
    (dataset / "train" / "copies.npy").unlink()
    evaluated_model.evaluate_model(config(), Inputs({}))
    metrics = json.loads((workspace / "reports" / "details.json").read_text())
    assert metrics["baseline"]["accuracy"] < 1
    assert "baseline_sample" not in metrics


def test_the_baseline_learns_from_the_reviews_that_the_model_has_learned_from(workspace: Path) -> None:
    dataset = workspace / "artifacts" / "dataset"
    texts, labels = read_texts(dataset, "train")
    shutil.copytree(dataset / "train", dataset / "auxiliary")
    record = json.loads((dataset / "dataset.json").read_text())
    record["splits"] |= {"auxiliary": 24}
    (dataset / "dataset.json").write_text(json.dumps(record))
    assert list(read_baseline_texts(dataset, LearnedFrom(auxiliary_weight=0)).texts) == texts
    few = read_baseline_texts(dataset, LearnedFrom(max_reviews=4))
    of_each = [texts[row] for row in range(24) if list(labels[:row]).count(labels[row]) < 2]
    assert list(few.texts) == [*of_each, *of_each]
    assert (few.labels.tolist().count(1), few.sample) == (4, None)


def test_of_too_many_reviews_the_baseline_learns_from_a_sample_and_says_so(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dataset = workspace / "artifacts" / "dataset"
    texts, labels = read_texts(dataset, "train")
    half = sum(map(len, texts)) // 2
    learned, again = (read_baseline_texts(dataset, LearnedFrom(), half) for _ in range(2))
    drawn = list(learned.texts)
    assert drawn == list(again.texts)
    assert half <= sum(map(len, drawn)) < half + max(map(len, texts))
    assert [labels[texts.index(text)] for text in drawn] == learned.labels.tolist(), "in the order of the dataset"
    assert abs(np.bincount(learned.labels) - len(drawn) / 2).max() <= 1, "in the shares of the classes"
    monkeypatch.setattr(scored_splits, "read_baseline_texts", partial(read_baseline_texts, max_characters=half))
    evaluated_model.evaluate_model(config(), Inputs({}))
    assert f"a random sample of {len(drawn)} of the 24 training reviews" in caplog.text
    assert f"baseline: learned from a random sample of {len(drawn)} of 24 training reviews" in capsys.readouterr().out
    details = json.loads((workspace / "reports" / "details.json").read_text())
    assert details["baseline_sample"] == {"reviews": len(drawn), "available": 24}
    page = (workspace / "reports" / "report.html").read_text()
    assert f"learned from a random sample of {len(drawn)} of the 24 training reviews" in " ".join(page.split())


def test_stage_without_a_training_says_so(workspace: Path) -> None:
    (workspace / "artifacts" / "run.json").unlink()
    with pytest.raises(PipelineError, match=r"run\.json is missing"):
        evaluated_model.evaluate_model(config(), Inputs({}))


def test_tests_of_sentiment_are_reported_can_be_checked_and_can_be_left_out(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reports = workspace / "reports"
    without_baseline = [
        "model=bag_of_words",
        "registry.checks.better_than_majority.min=-9",
        "evaluation.baseline=false",
    ]
    check = "+registry.checks.negation={metric: behaviour.negation.failure_rate, max: 0}"
    evaluated_model.evaluate_model(configuration(*without_baseline, check), Inputs({}))
    metrics = json.loads((reports / "details.json").read_text())
    assert metrics["behaviour"]["negation"]["cases"] == 120
    assert metrics["contrast"]["pairs"] == 60
    assert set(json.loads((reports / "behaviour.json").read_text())) == set(metrics["behaviour"])
    checks = json.loads((reports / "verdict.json").read_text())["checks"]
    assert "negation" in [check["name"] for check in checks if not check["passed"]]
    assert "not_worse_than_baseline" not in [check["name"] for check in checks]
    assert "left out: check not_worse_than_baseline, for want of a baseline" in caplog.text

    left_out = ("evaluation.behaviour=false", "evaluation.contrast_pairs.path=null")
    evaluated_model.evaluate_model(configuration(*without_baseline, *left_out), Inputs({}))
    assert {"behaviour", "contrast"}.isdisjoint(json.loads((reports / "details.json").read_text()))
    assert json.loads((reports / "behaviour.json").read_text()) == {}
    assert (reports / "plots" / "behaviour.csv").read_text().startswith("capability,")  # `dvc plots` looks for it
    assert not (reports / "figures" / "behaviour.png").exists()


def test_tests_in_another_language_than_the_reviews_are_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configuration(
        "model=bag_of_words", "registry.checks.better_than_majority.min=-9", "evaluation.baseline=false"
    )
    german = ["Dieser Film ist wunderbar gespielt, und die Musik passt zu der Geschichte, die er erzählt."]
    english = ["This film is a delight, and I had no idea what to expect of it. It was as good as the book."]
    for reviews, named in ((german, ["the behaviour tests", "the contrast pairs"]), (english, [])):
        caplog.clear()
        train = {"train": reviews}
        streamed = lambda folder, split, train=train: iter(train.get(split) or stream_texts(folder, split))  # noqa: E731
        monkeypatch.setattr(evaluated_model, "stream_texts", streamed)
        evaluated_model.evaluate_model(settings, Inputs({}))
        warnings = [message for message in caplog.messages if "another language" in message]
        assert [message.partition(" seem")[0] for message in warnings] == named
    assert json.loads((workspace / "reports" / "details.json").read_text())["contrast"]["pairs"] == 60


THREE = ("negative", "neutral", "positive")
STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")


@pytest.mark.parametrize(
    ("classes", "ordered"),
    [(("ham", "spam"), False), (THREE, False), (STARS, True), (("负面", "a/b", "50 $ + $"), False)],
)
def test_any_classes_are_evaluated_by_their_names_and_sentiment_is_tested_where_they_have_it(
    classes: Sequence[str],
    ordered: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "pairs.csv").write_text("original,edited,original_label,edited_label\nfine,dull,pos,neg\n")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    workspace = prepare(tmp_path, monkeypatch, classes, ordered)
    reports = workspace / "reports"
    caplog.set_level(logging.INFO)
    evaluated_model.evaluate_model(config("model=bag_of_words", "evaluation.contrast_pairs.path=pairs.csv"), Inputs({}))
    values = json.loads((reports / "details.json").read_text())
    predictions = pq.read_table(workspace / "artifacts" / "predictions.parquet")
    rows = [row for row in predictions.to_pylist() if row["split"] == "test"]
    assert values["test"]["accuracy"] == np.mean([row["predicted"] == row["label"] for row in rows])
    two = len(classes) == 2
    columns = ["probability"] if two else [f"probability_{name}" for name in classes]
    assert predictions.column_names == ["split", "id", "label", "predicted", *columns, "stars"]
    if not two:
        assert [np.argmax([row[column] for column in columns]) for row in rows] == [row["predicted"] for row in rows]
        assert [values["test"]["classes"][name]["reviews"] for name in values["test"]["classes"]] == [12] * len(classes)
    assert ("quadratic_kappa" in values["test"]) == ordered
    assert values["baseline"]["accuracy"] == 1
    page = (reports / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in classes)
    assert ("of positive" in page) == (classes == THREE)
    assert_dvc_finds_the_columns_of_its_plots(workspace)

    said = "left out: the behaviour tests and the contrast pairs, which need negative and positive; the classes are"
    if classes == THREE:
        assert (values["contrast"]["pairs"], values["behaviour"]["negation"]["cases"]) == (1, 120)
        assert said not in caplog.text
        assert "Left out: the behaviour tests" not in page
    else:
        assert {"behaviour", "contrast"}.isdisjoint(values)
        assert f"{said} {', '.join(map(repr, classes))}" in caplog.text
        assert "Left out: the behaviour tests and the contrast pairs" in page


JOINED = ("pretraining=none", "model.cell=gru", "model.embedding_dim=8", "model.hidden_dim=8", "model.wide.bits=10")
QUICK = ("evaluation.baseline=false", "evaluation.behaviour=false", "evaluation.contrast_pairs.path=null")


def path_outputs(workspace: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what each path of the trained network says of a split [n, outputs, 2], and the labels."""
    network, vocabulary, info = model_folder.load_model(workspace / "artifacts" / "model")
    assert isinstance(network, WideAndDeep)
    texts, labels = read_texts(workspace / "artifacts" / "dataset", split)
    encoder = Encoder(info.text, vocabulary)
    with torch.no_grad():
        paths = [network.paths(torch.from_numpy(encoder.encode(text))[None])[0] for text in texts]
    return torch.cat(paths).numpy(), labels


def figures_alone(workspace: Path, path: int, likelihood: Likelihood) -> dict[str, float]:
    outputs, labels = path_outputs(workspace, "validation")
    calibration = calibrate(outputs[:, :, path], labels, likelihood)
    figures = {}
    for prefix, split in (("", "test"), ("val_", "validation")):
        outputs, labels = path_outputs(workspace, split)
        probabilities = calibration.probabilities(outputs[:, :, path])
        figures[f"{prefix}accuracy"] = np.mean(calibration.rule.choose(probabilities) == labels)
        figures[f"{prefix}log_loss"] = -np.log(probabilities[range(len(labels)), labels]).mean()
    return figures


@pytest.mark.parametrize(("classes", "ordered"), [(LABELS, False), (THREE, False), (STARS, True)])
def test_each_part_of_a_network_of_two_is_evaluated_alone(
    classes: Sequence[str],
    ordered: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = prepare(tmp_path, monkeypatch, classes, ordered, JOINED)
    reports = workspace / "reports"
    read: list[int] = []
    paths = WideAndDeep.paths
    with monkeypatch.context() as patch:
        patch.setattr(WideAndDeep, "paths", lambda *given: read.append(len(given[1])) or paths(*given))
        evaluated_model.evaluate_model(config(*JOINED, *QUICK), Inputs({}))
    assert sum(read) == 2 * 3 * len(labelled_texts(classes)[0]), "the parts come from the same pass of the network"
    metrics = read_json(reports / "details.json", DetailsRecord, "").model_dump(exclude_unset=True)
    parts = metrics["parts"]
    assert list(parts) == ["gru", "ngrams", "joint"]
    for key in ("accuracy", "log_loss"):
        assert parts["joint"][key] == metrics["test"][key]
        assert parts["joint"][f"val_{key}"] == metrics["val"][key]
    likelihood = build_likelihood(len(classes), ordered)
    for path, name in enumerate(("gru", "ngrams")):
        figures = figures_alone(workspace, path, likelihood)
        assert {key: parts[name][key] for key in figures} == pytest.approx(figures, abs=1e-5)
    assert parts["gru"]["accuracy"] != parts["ngrams"]["accuracy"]
    for name, minuend in (("adds", "joint"), ("minus_ngrams", "gru")):
        difference = parts[minuend]["accuracy"] - parts["ngrams"]["accuracy"]
        assert parts["gru"][name]["accuracy"] == pytest.approx(difference)
        assert parts["gru"][name]["low"] < difference < parts["gru"][name]["high"]
    shown = capsys.readouterr().out
    assert f"parts alone: gru accuracy {parts['gru']['accuracy']:.4f}" in shown
    assert f"what gru adds to the accuracy of ngrams: {parts['gru']['adds']['accuracy']:.4f} (95 %" in shown
    assert "Parts of the model" in (reports / "report.html").read_text(encoding="utf-8")


def test_a_network_without_ngrams_has_no_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = (*JOINED[:4], "model.wide=null")
    workspace = prepare(tmp_path, monkeypatch, model=model)
    evaluated_model.evaluate_model(config(*model, *QUICK), Inputs({}))
    assert "parts" not in json.loads((workspace / "reports" / "details.json").read_text())
    assert "parts alone" not in capsys.readouterr().out
    assert "Parts of the model" not in (workspace / "reports" / "report.html").read_text(encoding="utf-8")
