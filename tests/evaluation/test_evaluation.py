import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import expit

from pipeline import evaluate
from pipeline.behaviour.failures import behaviour_table
from pipeline.config.registry import CheckConfig
from pipeline.config.schema import Config
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.checks import verdict
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.metrics import classification_metrics, expected_calibration_error, length_classes
from pipeline.evaluation.predictions import Scored, score, write_predictions
from pipeline.evaluation.slices import slice_table
from pipeline.inference import model_folder
from pipeline.inference.calibration import calibrate, choose_threshold, fit_weights
from pipeline.inference.scoring import Calibration
from pipeline.networks.build import build_network
from pipeline.report.plot_tables import tables
from pipeline.report.plots import drawings, read_learning_curve, write_figures, write_tables
from pipeline.report.summary import collect_metrics, format_report
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.stage import Inputs
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from tests.conftest import configuration, describe_dataset

EVALUATION = configuration("evaluation.length_edges=[3,6]").evaluation
POSITIVE = ["a warm and lovely film", "lovely acting and a warm story", "wonderful music", "a wonderful lovely cast"]
NEGATIVE = ["a dull and clumsy film", "clumsy acting and a dull story", "tedious music", "a tedious clumsy cast"]
CURVE = "epoch,train_loss,val_loss,val_calibrated_loss,val_accuracy\n1,0.6,0.5,0.5,0.75\n2,0.4,0.45,0.44,0.8\n"


def metrics(labels: list[int], probabilities: list[float], threshold: float = 0.5) -> dict[str, float | int | None]:
    return classification_metrics(labels, probabilities, threshold=threshold, ece_bins=10, name="test")


def simulated(n: int = 400, seed: int = 0) -> Scored:
    """Reviews whose probabilities are true to their word."""
    random = np.random.default_rng(seed)
    probabilities = random.beta(0.5, 0.5, n).astype(np.float32)
    labels = (random.random(n) < probabilities).astype(np.int8)
    rows = pa.table({"id": [str(i) for i in range(n)], "label": labels, "stars": random.integers(1, 11, n)})
    return Scored("test", rows, labels, random.integers(1, 10, n), probabilities, 0.5)


def write_dataset(path: Path, copies: int = 3) -> None:
    describe_dataset(path, **dict.fromkeys(("train", "validation", "test"), len(POSITIVE + NEGATIVE) * copies))
    for split in ("train", "validation", "test"):
        (path / split).mkdir(parents=True)
        texts = (POSITIVE + NEGATIVE) * copies
        ids = [f"{split}-{i}" for i in range(len(texts))]
        labels = pa.array(([1] * len(POSITIVE) + [0] * len(NEGATIVE)) * copies, pa.int8())
        stars = pa.array(range(len(texts)), pa.int64())
        table = pa.table({"id": ids, "text": texts, "label": labels, "stars": stars})
        pq.write_table(table, path / split / "rows.parquet")
        np.save(path / split / "ids.npy", np.ones(2 * len(texts), np.int32))
        np.save(path / split / "offsets.npy", np.arange(len(texts) + 1) * 2)
        np.save(path / split / "labels.npy", labels.to_numpy())


def slices(test: Scored) -> Columns:
    return slice_table(test, np.linspace(0, 1, len(test.labels)), EVALUATION)


def all_tables(test: Scored) -> dict[str, Columns]:
    return {**tables(test, EVALUATION), "slices": slices(test), "behaviour": behaviour_table({}, {})}


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


# Metrics


def test_metrics_of_four_reviews_worked_by_hand() -> None:
    got = metrics([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.2])
    assert got["accuracy"] == got["precision"] == got["recall"] == got["f1"] == 0.5
    assert got["roc_auc"] == 0.75  # of the four pairs one is in the wrong order
    assert got["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    assert got["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.4, 0.8])))
    assert got["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert (got["majority"], got["gain_over_majority"], got["reviews"]) == (0.5, 0.0, 4)


def test_threshold_decides_labels_and_is_itself_positive() -> None:
    assert metrics([1, 1, 0, 0], [0.9, 0.5, 0.4, 0.2], threshold=0.5)["accuracy"] == 1
    assert metrics([1, 1, 0, 0], [0.9, 0.5, 0.4, 0.2], threshold=0.6)["recall"] == 0.5


def test_one_label_gives_null_and_a_warning_never_nan(caplog: pytest.LogCaptureFixture) -> None:
    got = metrics([1, 1, 1], [0.9, 0.8, 0.3])
    assert got["roc_auc"] is None
    assert got["average_precision"] is None
    assert "one label only" in caplog.text
    assert json.dumps(got, allow_nan=False)
    assert metrics([0, 0], [0.1, 0.0])["f1"] == 0


def test_calibration_error_is_the_known_gap() -> None:
    calibrated = simulated(100_000)
    assert expected_calibration_error(calibrated.labels, calibrated.probabilities, 15) < 0.01
    sure_but_right_in_half = [1.0] * 10, [1, 0] * 5
    assert expected_calibration_error(sure_but_right_in_half[1], sure_but_right_in_half[0], 15) == pytest.approx(0.5)
    # 0.95 stated and 0.75 true, 0.15 stated and 0.25 true: half of 0.2 and half of 0.1
    assert expected_calibration_error([1, 1, 1, 0, 1, 0, 0, 0], [0.95] * 4 + [0.15] * 4, 10) == pytest.approx(0.15)


def test_length_classes_include_their_upper_edge_and_leave_out_empty_ones() -> None:
    classes = {name: members.tolist() for name, members in length_classes([3, 50, 51, 900], [50, 100, 200])}
    assert classes == {
        "up_to_50": [True, True, False, False],
        "up_to_100": [False, False, True, False],
        "over_200": [False, False, False, True],
    }


# Calibration


@pytest.mark.parametrize(("scale", "shift"), [(1 / 3, 0), (1, -0.5), (3, 2)])
def test_calibration_undoes_a_known_scale_and_shift(scale: float, shift: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 20_000)
    labels = (random.random(20_000) < expit(logits)).astype(int)
    found = calibrate(logits * scale + shift, labels)
    assert found.temperature == pytest.approx(scale, rel=0.05)
    assert found.bias == pytest.approx(-shift / scale, abs=0.05)


def test_paths_get_the_weights_they_deserve_and_none_a_negative_one() -> None:
    random = np.random.default_rng(0)
    paths = random.normal(0, 1, (20_000, 3))
    labels = (random.random(20_000) < expit(paths @ [2.0, 0.5, -1.0] + 0.7)).astype(int)
    (first, second, third), bias = fit_weights(paths, labels)
    assert first / second == pytest.approx(4, rel=0.2)
    assert third == 0
    assert bias == pytest.approx(0.7, abs=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_never_worsens_the_loss_it_was_fitted_on(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, 1_000)
    labels = (random.random(1_000) < expit(logits / random.uniform(0.5, 5) + random.normal())).astype(int)
    before, after = (
        metrics(list(labels), list(calibration.probabilities(logits)))["log_loss"]
        for calibration in (Calibration(1.0, 0.0, 0.5), calibrate(logits, labels))
    )
    assert after <= before + 1e-3


def test_a_faultless_tiny_validation_split_gives_no_boundless_confidence() -> None:
    logits = np.array([4.0, 5.0, -4.0, -5.0])
    probabilities = calibrate(logits, [1, 1, 0, 0]).probabilities(logits)
    # as sure as three quarters: one more review of each label, on the wrong side, is imagined
    assert probabilities[:2].mean() == pytest.approx(0.75, abs=0.01)
    assert probabilities[2:].mean() == pytest.approx(0.25, abs=0.01)
    with pytest.raises(PipelineError, match="no review"):
        calibrate([], [])
    with pytest.raises(PipelineError, match="not finite"):
        calibrate([float("nan"), 1.0], [0, 1])


def test_threshold_stays_unless_another_is_clearly_better() -> None:
    calibrated = simulated(2_000)
    assert choose_threshold(calibrated.probabilities, calibrated.labels) == 0.5
    assert choose_threshold([0.45, 0.9, 0.1, 0.2], [1, 1, 0, 0]) < 0.45  # 4 of 4 instead of 3 of 4
    shifted = np.repeat([0.1, 0.2, 0.3, 0.9], 100)
    assert choose_threshold(shifted, np.repeat([0, 0, 1, 1], 100)) == pytest.approx(0.25)
    assert choose_threshold([0.3, 0.4], [1, 1]) < 0.3
    assert choose_threshold([0.6, 0.7], [0, 0]) > 0.7


# Baseline


def test_baseline_learns_and_answers_the_same_every_time() -> None:
    texts, labels = (POSITIVE + NEGATIVE) * 3, [1, 1, 1, 1, 0, 0, 0, 0] * 3
    new = ["what a lovely wonderful day", "tedious and clumsy"]
    answers = [fit_baseline(texts, labels, texts, labels).probabilities(new) for _ in range(2)]
    assert answers[0][0] > 0.5 > answers[0][1]
    assert answers[0].tobytes() == answers[1].tobytes()


def test_baseline_trusts_words_as_far_as_validation_bears_them_out() -> None:
    texts, labels = (POSITIVE + NEGATIVE) * 3, [1, 1, 1, 1, 0, 0, 0, 0] * 3
    assert fit_baseline(texts, labels, texts, labels).classifier.C == 100
    assert fit_baseline(texts, labels, texts, labels[::-1]).classifier.C == 1


def test_baseline_says_what_it_cannot_learn_from() -> None:
    with pytest.raises(PipelineError, match=r"evaluation\.baseline=false"):
        fit_baseline(["one", "other"], [0, 1], ["one"], [0])
    with pytest.raises(PipelineError, match="one label"):
        fit_baseline(POSITIVE, [1, 1, 1, 1], POSITIVE, [1, 1, 1, 1])


# Verdict


def test_verdict_passes_within_bounds_and_fails_outside() -> None:
    values = {"test": {"accuracy": 0.8, "ece": 0.06, "roc_auc": None}}
    fine = {"accurate": CheckConfig(metric="test.accuracy", min=0.8)}
    assert verdict(values, fine) == {
        "passed": True,
        "checks": [
            {"name": "accurate", "metric": "test.accuracy", "value": 0.8, "min": 0.8, "max": None, "passed": True}
        ],
    }
    too_much = verdict(values, fine | {"calibrated": CheckConfig(metric="test.ece", max=0.05)})
    assert not too_much["passed"]
    assert [check["passed"] for check in too_much["checks"]] == [True, False]
    assert not verdict(values, {"undefined": CheckConfig(metric="test.roc_auc", min=0.1)})["passed"]


@pytest.mark.parametrize("metric", ["test.acuracy", "test", "accuracy"])
def test_a_check_of_an_unknown_metric_names_those_there_are(metric: str) -> None:
    with pytest.raises(PipelineError, match=r"registry\.checks\.x\.metric.*test\.accuracy, test\.ece"):
        verdict({"test": {"accuracy": 0.9, "ece": 0.1}}, {"x": CheckConfig(metric=metric, min=0)})


# Reports and plots


def test_report_shows_model_beside_baseline_and_full_precision_metrics() -> None:
    test, baseline = simulated(), simulated(seed=1)
    values = collect_metrics(test, simulated(seed=2), baseline, slices(test), EVALUATION)
    assert list(values) == ["test", "baseline", "validation", "intervals", "slices", "worst_slice"]
    correct = test.predicted == test.labels
    assert values["baseline"]["accuracy"] == np.mean(baseline.predicted == baseline.labels)
    assert values["test"]["accuracy"] == np.mean(correct)
    assert values["slices"]["length"]["up_to_3"] == np.mean(correct[test.words <= 3])
    table = format_report(values, slices(test), verdict(values, {"a": CheckConfig(metric="test.accuracy", min=0.999)}))
    assert f"{values['test']['accuracy']:.4f}" in table
    assert f"{values['baseline']['accuracy']:.4f}" in table
    assert "verdict: FAILED" in table


def test_figures_and_tables_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text(CURVE)
    test = simulated()
    values = collect_metrics(test, test, simulated(seed=1), slices(test), EVALUATION)
    written = all_tables(test)
    for name in ("first", "second"):
        curve = read_learning_curve(tmp_path / "curve.csv")
        write_tables(tmp_path / name, written)
        write_figures(tmp_path / f"{name}-figures", drawings(written, simulated(seed=1), curve, values))
    assert files(tmp_path / "first") == files(tmp_path / "second")
    pictures = files(tmp_path / "first-figures")
    assert pictures == files(tmp_path / "second-figures")
    assert all(picture.startswith(b"\x89PNG") and b"Software" not in picture for picture in pictures.values())
    names = {"roc", "precision_recall", "reliability", "confusion", "score_histogram", "slices"}
    assert set(pictures) == {f"{name}.png" for name in names | {"accuracy_by_length", "learning_curve", "summary"}}
    assert set(files(tmp_path / "first")) == {f"{name}.csv" for name in names | {"behaviour"}}


def test_tables_agree_with_the_metrics(tmp_path: Path) -> None:
    test = simulated(5_000)
    write_tables(tmp_path / "plots", all_tables(test))
    read = {path.stem: list(csv.DictReader(path.open())) for path in (tmp_path / "plots").iterdir()}
    values = collect_metrics(test, test, None, slices(test), EVALUATION)["test"]
    roc = np.array([[float(row["fpr"]), float(row["tpr"])] for row in read["roc"]])
    assert len(roc) <= 300
    assert np.trapezoid(roc[:, 1], roc[:, 0]) == pytest.approx(values["roc_auc"], abs=2e-3)
    assert roc[0].tolist() == [0, 0]
    assert roc[-1].tolist() == [1, 1]
    assert np.mean([row["actual"] == row["predicted"] for row in read["confusion"]]) == values["accuracy"]
    assert sum(int(row["negative"]) + int(row["positive"]) for row in read["score_histogram"]) == 5_000
    assert sum(float(row["reviews"]) for row in read["reliability"]) == 5_000
    for row in read["slices"]:
        assert float(row["low"]) < float(row["accuracy"]) < float(row["high"])


def test_a_split_of_one_label_is_still_drawn(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text(CURVE)
    rows = pa.table({"id": ["a", "b"], "label": pa.array([1, 1], pa.int8())})
    test = Scored("test", rows, np.ones(2, np.int8), np.array([1, 2]), np.array([0.9, 0.4], np.float32), 0.5)
    values = collect_metrics(test, test, None, slices(test), EVALUATION)
    written = all_tables(test)
    write_figures(tmp_path / "f", drawings(written, None, read_learning_curve(tmp_path / "curve.csv"), values))
    assert (tmp_path / "f" / "roc.png").exists()


def test_predictions_refuse_kept_columns_that_collide(tmp_path: Path) -> None:
    test = simulated(4)
    collision = Scored(**{**vars(test), "rows": test.rows.append_column("split", pa.array(["x"] * 4))})
    with pytest.raises(PipelineError, match="'split' is a column of the predictions"):
        write_predictions(tmp_path / "p.parquet", [collision])
    words = Scored(**{**vars(test), "rows": test.rows.drop_columns(["stars"]).append_column("stars", [["x"] * 4])})
    with pytest.raises(PipelineError, match="differ in type"):
        write_predictions(tmp_path / "p.parquet", [test, words])
    assert not list(tmp_path.iterdir())


def test_a_missing_or_empty_split_is_named(tmp_path: Path) -> None:
    describe_dataset(tmp_path, test=0, other=4)
    baseline = fit_baseline(POSITIVE + NEGATIVE, [1] * 4 + [0] * 4, POSITIVE, [1] * 4)
    with pytest.raises(PipelineError, match=r"test split in .* is empty"):
        score(tmp_path, "test", baseline)
    with pytest.raises(PipelineError, match=r"other.rows\.parquet is missing"):
        score(tmp_path, "other", baseline)


# The stage


def config() -> Config:
    return configuration("model=bag_of_words", "registry.checks.accuracy.min=0")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.set_num_threads(1)
    monkeypatch.setattr(evaluate, "WORKSPACE", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    write_dataset(tmp_path / "artifacts" / "dataset")
    words = sorted({word for text in POSITIVE + NEGATIVE for word in text.split()})
    vocabulary = Vocabulary([*SPECIALS, *words])
    settings = config()
    torch.manual_seed(0)
    network = build_network(settings.model, len(vocabulary))
    info = {
        "temperature": 1.5,
        "bias": 0.0,
        "threshold": 0.5,
        **settings.model_dump(include=set(model_folder.TRAINED_WITH)),
    }
    model = tmp_path / "artifacts" / "model"
    model_folder.save(model, network, vocabulary, info | {"dataset": {"digest": "digest"}})
    run = {"run_id": "unknown", "train_seconds": 1.5, "reviews_per_second": 16.0, "epochs": 2}
    run |= {"model": folder_digest(model)}
    run |= {"device": "cpu", "precision": "32-true", "threads": 1}
    (tmp_path / "artifacts" / "run.json").write_text(json.dumps(run))
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "learning_curve.csv").write_text(CURVE)
    return tmp_path


def test_stage_writes_every_report_and_repeats_itself(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifacts, reports = workspace / "artifacts", workspace / "reports"
    steady = [reports / name for name in ("metrics.json", "verdict.json", "behaviour.json", "report.html")]
    steady.append(artifacts / "predictions.parquet")
    evaluate.main(config(), Inputs({}))
    first = [path.read_bytes() for path in steady], files(reports / "plots"), files(reports / "figures")
    evaluate.main(config(), Inputs({}))
    assert first == ([path.read_bytes() for path in steady], files(reports / "plots"), files(reports / "figures"))

    values = json.loads((reports / "metrics.json").read_text())
    predictions = pq.read_table(artifacts / "predictions.parquet").to_pylist()
    assert [(row["split"], row["id"], row["stars"]) for row in predictions[24:26]] == [
        ("test", "test-0", 0),
        ("test", "test-1", 1),
    ]
    right = [(row["probability"] >= 0.5) == row["label"] for row in predictions if row["split"] == "test"]
    assert values["test"]["accuracy"] == np.mean(right)
    assert values["baseline"]["accuracy"] == 1
    speed = json.loads((reports / "speed.json").read_text())
    assert speed["train"]["seconds"] == 1.5
    assert speed["predict"]["reviews_per_second"] > 0
    assert "24 test reviews" in capsys.readouterr().out


def test_stage_without_a_training_says_so(workspace: Path) -> None:
    (workspace / "artifacts" / "run.json").unlink()
    with pytest.raises(PipelineError, match=r"run\.json is missing"):
        evaluate.main(config(), Inputs({}))


def test_behaviour_is_reported_can_be_checked_and_can_be_left_out(workspace: Path) -> None:
    reports = workspace / "reports"
    without_baseline = ["model=bag_of_words", "registry.checks.accuracy.min=0", "evaluation.baseline=false"]
    check = "+registry.checks.negation={metric: behaviour.negation.failure_rate, max: 0}"
    evaluate.main(configuration(*without_baseline, check), Inputs({}))
    metrics = json.loads((reports / "metrics.json").read_text())
    assert metrics["behaviour"]["negation"]["cases"] == 120
    assert set(json.loads((reports / "behaviour.json").read_text())) == set(metrics["behaviour"])
    checks = json.loads((reports / "verdict.json").read_text())["checks"]
    assert "negation" in [check["name"] for check in checks if not check["passed"]]

    evaluate.main(configuration(*without_baseline, "evaluation.behaviour=false"), Inputs({}))
    assert "behaviour" not in json.loads((reports / "metrics.json").read_text())
    assert json.loads((reports / "behaviour.json").read_text()) == {}
    assert (reports / "plots" / "behaviour.csv").read_text().startswith("capability,")  # `dvc plots` looks for it
    assert not (reports / "figures" / "behaviour.png").exists()
