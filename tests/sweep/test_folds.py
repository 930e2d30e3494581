"""Cross-validation as a user runs it: a sweep over the folds of a small corpus, and what is refused."""

import csv
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from pipeline.sweep.folds import FoldAnswers, folds_table, format_folds, mean_and_deviation, parent_metrics, setting_of
from tests.sweep.test_sweep import SHORT, SWEEP, TRAINED, artifacts, runs, sweep_of

FAST = [override for override in SHORT if "max_reviews" not in override]
KFOLD = (*SWEEP[:4], *FAST, "sweep=kfold", "training.folds=3", "training.fold=range(1,4)")


@pytest.fixture(scope="module")
def cross_validated(trained, tmp_path_factory):
    """A project after a sweep over three folds, and what that printed."""
    project = trained.copy_to(tmp_path_factory.mktemp("kfold") / "project")
    return project, project.run(*KFOLD).stdout


def predictions(project):
    (path,) = project.root.glob("trials/*/*/out_of_fold.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return path, list(csv.DictReader(file))


def negative_log_likelihood(row):
    positive = float(row["probability"])
    return -np.log(positive if row["label"] == "positive" else 1 - positive)


def test_every_review_of_train_and_validation_gets_one_answer_of_a_model_that_did_not_train_on_it(cross_validated):
    project, printed = cross_validated
    path, rows = predictions(project)
    dataset = project.root / "artifacts" / "dataset"
    tables = [pq.read_table(dataset / split / "rows.parquet") for split in ("train", "validation")]
    labels = {row["id"]: row["label"] for table in tables for row in table.to_pylist()}
    assert {row["id"]: row["label"] == "positive" for row in rows} == labels
    assert len(rows) == len(labels)
    assert str(path.relative_to(project.root)) in printed
    for fold in "123":
        of_fold = [row for row in rows if row["fold"] == fold]
        assert len(of_fold) == pytest.approx(len(rows) / 3, abs=1)
        right = sum((float(row["probability"]) >= 0.5) == (row["label"] == "positive") for row in of_fold)
        assert right / len(of_fold) > 0.4


def test_the_parent_run_has_mean_and_deviation_of_the_metrics(cross_validated):
    project, printed = cross_validated
    parent, trials = sweep_of(project)
    assert (parent.info.status, parent.info.run_name, len(trials)) == ("FINISHED", "kfold: fold", 3)
    _, rows = predictions(project)
    accuracies = [np.mean([row["label"] == row["predicted"] for row in rows if row["fold"] == fold]) for fold in "123"]
    metrics = parent.data.metrics
    assert metrics["kfold/accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert metrics["kfold/accuracy_sd"] == pytest.approx(np.std(accuracies, ddof=1))
    losses = [np.mean([negative_log_likelihood(row) for row in rows if row["fold"] == fold]) for fold in "123"]
    assert metrics["kfold/log_loss_mean"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert "mean ± standard deviation of 3 folds" in printed
    assert f"{np.mean(accuracies):.4f} ± {np.std(accuracies, ddof=1):.4f}" in printed
    assert artifacts(project, parent, "sweep") >= {"sweep/out_of_fold.csv", "sweep/folds.csv"}
    for trial in trials:
        assert "out_of_fold.parquet" in artifacts(project, trial)
        assert "model" not in artifacts(project, trial)


def test_the_same_command_trains_only_the_folds_that_have_not_finished(cross_validated, tmp_path):
    project = cross_validated[0].copy_to(tmp_path / "project")
    path, rows = predictions(project)
    path.unlink()
    trial = next(run for run in runs(project, "train") if run.info.run_name == "#1 fold=2")
    MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}").delete_run(trial.info.run_id)
    printed = project.run(*KFOLD).stderr
    assert printed.count(TRAINED) == 1
    assert predictions(project)[1] == rows


def test_a_fold_is_for_trials_alone(cross_validated, tmp_path):
    project = cross_validated[0].copy_to(tmp_path / "project")
    asked = ("-S", "training.folds=3", "-S", "training.fold=2")
    refused = project.run("dvc", "exp", "run", *asked, check=False)
    assert refused.returncode
    assert "training.folds: only trials train on folds" in refused.stdout + refused.stderr
    (project.root / "params.yaml").write_text(
        (project.root / "params.yaml").read_text().replace("folds: null", "folds: 3")
    )
    refused = project.run("python", "-m", "pipeline.train", check=False)
    assert "error: training.folds: only trials train on folds" in refused.stderr
    refused = project.run("python", "-m", "pipeline.promote", "kfold", check=False)
    assert "cannot be promoted: it was trained on folds of the reviews" in refused.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.fold=1,2"], "the folds of how many"),
        (["training.folds=3,4", "training.fold=1,2"], "the folds of how many"),
        (["sweep=kfold", "training.folds=3"], r"training.folds is 3; search 'training.fold=range\(1,4\)'"),
    ],
)
def test_folds_that_cannot_be_drawn_are_refused_before_the_sweep_begins(trained, overrides, message, tmp_path):
    project = trained.copy_to(tmp_path / "project")
    refused = project.run(*SWEEP[:4], *FAST, *overrides, check=False)
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert re.search(message, line), line
    assert not runs(project, "sweep")


def answered(setting: str, fold: int, **metrics: float | None) -> FoldAnswers:
    return FoldAnswers(setting, fold, f"run{fold}", None, metrics)


def test_settings_are_compared_by_their_mean_log_loss():
    folds = [
        *[answered("lr=1", 1, accuracy=0.5, log_loss=0.9), answered("lr=1", 2, accuracy=0.7, log_loss=0.7)],
        *[answered("lr=2", 1, accuracy=0.8, log_loss=0.3), answered("lr=2", 2, accuracy=0.6, log_loss=0.5)],
    ]
    assert mean_and_deviation(folds[:2])["accuracy"] == pytest.approx((0.6, 0.1414), abs=1e-4)
    metrics = parent_metrics(folds)
    assert (metrics["kfold/folds"], metrics["kfold/log_loss_mean"]) == (2, pytest.approx(0.4))
    lines = format_folds(folds, 3).splitlines()
    assert lines[0] == "lr=2: mean ± standard deviation of 2 of 3 folds"
    assert "0.7000 ± 0.1414" in lines[1]


def test_a_metric_that_is_undefined_in_a_fold_is_undefined_over_all():
    folds = [
        answered("", 1, accuracy=1.0, log_loss=0.1, roc_auc=None),
        answered("", 2, accuracy=1.0, log_loss=0.1, roc_auc=1),
    ]
    assert mean_and_deviation(folds)["roc_auc"] is None
    assert "kfold/roc_auc_mean" not in parent_metrics(folds)
    assert "undefined" in format_folds(folds, 2)


def test_settings_that_look_alike_are_not_one():
    assert setting_of({"training.ema_decay": "0.9995"}) != setting_of({"training.ema_decay": "0.99951"})
    assert setting_of({"training.lr": "1e-3", "model.hidden_dim": "64"}) == "lr=1e-3 hidden_dim=64"


def test_a_table_that_is_too_long_for_mlflow_has_the_best_settings_and_counts_the_others():
    folds = [answered(f"lr={number}", 1, accuracy=0.5, log_loss=number) for number in range(1, 41)]
    table = folds_table(folds, 1, 1000)
    assert len(table) <= 1000
    shown = table.count(" of 1 folds")
    assert "lr=1: 1 of 1 folds" in table
    assert table.endswith(f"\n\n… and {40 - shown} more settings, in folds.csv")
    assert "more settings" not in folds_table(folds, 1, 10_000)
