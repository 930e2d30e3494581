"""The tables and figures of an evaluation, and its table for the terminal."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from pipeline.behaviour.failures import behaviour_table
from pipeline.config.labels import LABELS
from pipeline.config.objective import ObjectiveConfig
from pipeline.config.registry import CheckConfig
from pipeline.evaluation.checks import check_metrics
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.multiclass import class_table
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import slice_table
from pipeline.evaluation.summary import collect_metrics
from pipeline.report.class_names import is_numbered, names_in_figures
from pipeline.report.figure_confusion import draw_confusion
from pipeline.report.figure_files import write_figures
from pipeline.report.figures import figure_drawers, figure_sizes
from pipeline.report.formatting import interval
from pipeline.report.plot_tables import confusion_matrix, plot_tables, read_learning_curve, write_tables
from pipeline.report.terminal import format_report
from tests.conftest import configuration
from tests.support.scored import simulated, two_classes

THREE = ("negative", "neutral", "positive")
EVALUATION = configuration("evaluation.length_edges=[3,6]").evaluation


CURVE = "epoch,train_loss,val_loss,val_calibrated_loss,val_accuracy\n1,0.6,0.5,0.5,0.75\n2,0.4,0.45,0.44,0.8\n"


def slices(test: ScoredSplit) -> Columns:
    return slice_table(test, np.linspace(0, 1, len(test.labels)), EVALUATION)


def all_tables(test: ScoredSplit) -> dict[str, Columns]:
    return {**plot_tables(test, EVALUATION), "slices": slices(test), "behaviour": behaviour_table({}, {})}


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_report_shows_model_beside_baseline_and_full_precision_metrics() -> None:
    test, baseline = simulated(), simulated(seed=1)
    values = collect_metrics(test, simulated(seed=2), baseline, slices(test), EVALUATION)
    assert list(values) == ["test", "baseline", "val", "intervals", "slices", "worst_slice"]
    correct = test.predicted == test.labels
    assert values["baseline"]["accuracy"] == np.mean(baseline.predicted == baseline.labels)
    assert values["test"]["accuracy"] == np.mean(correct)
    assert values["slices"]["length"]["up to 3 words"] == np.mean(correct[test.words <= 3])
    checks = check_metrics(values, {"a": CheckConfig(metric="test.accuracy", min=0.999)})
    table = format_report(values, slices(test), checks, {"ignored_labels": 1200, "no_label": 3})
    assert f"{values['test']['accuracy']:.4f}" in table
    assert f"{values['baseline']['accuracy']:.4f}" in table
    assert "checks: FAILED" in table
    assert "left out of the corpus: 1,200 ignored labels, 3 no label" in table


def test_figures_and_tables_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text(CURVE)
    test = simulated()
    values = collect_metrics(test, test, simulated(seed=1), slices(test), EVALUATION)
    written = all_tables(test)
    for name in ("first", "second"):
        curve = read_learning_curve(tmp_path / "curve.csv")
        write_tables(tmp_path / name, written)
        write_figures(tmp_path / f"{name}-figures", figure_drawers(written, simulated(seed=1), curve, values, LABELS))
    assert files(tmp_path / "first") == files(tmp_path / "second")
    pictures = files(tmp_path / "first-figures")
    assert pictures == files(tmp_path / "second-figures")
    assert all(b"Software" not in picture and b"<dc:date>" not in picture for picture in pictures.values())
    names = {"roc", "precision_recall", "reliability", "confusion", "score_histogram", "slices"}
    drawn = names | {"accuracy_by_length", "learning_curve"}
    assert set(pictures) == {f"{name}.{form}" for name in drawn for form in ("png", "svg")} | {"summary.png"}
    assert set(files(tmp_path / "first")) == {f"{name}.csv" for name in names | {"behaviour", "confidence"}}


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
        assert float(row["low"]) <= float(row["accuracy"]) <= float(row["high"])


def test_a_split_of_one_label_is_still_drawn(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text(CURVE)
    rows = pa.table({"id": ["a", "b"], "label": pa.array([1, 1], pa.int8())})
    test = two_classes(rows, np.ones(2, np.int8), np.array([1, 2]), [0.9, 0.4])
    values = collect_metrics(test, test, None, slices(test), EVALUATION)
    written = all_tables(test)
    write_figures(
        tmp_path / "f", figure_drawers(written, None, read_learning_curve(tmp_path / "curve.csv"), values, LABELS)
    )
    assert (tmp_path / "f" / "roc.png").exists()


STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
TWENTY = tuple(f"topic {number}" for number in range(20))


@pytest.mark.parametrize("classes", [("ham", "spam"), STARS, TWENTY])
def test_tables_and_figures_are_made_for_any_classes(tmp_path: Path, classes: tuple[str, ...]) -> None:
    (tmp_path / "curve.csv").write_text(CURVE)
    test, baseline = simulated(600, classes=classes), simulated(600, seed=1, classes=classes)
    values = collect_metrics(test, test, baseline, slices(test), EVALUATION)
    written = all_tables(test)
    curve = read_learning_curve(tmp_path / "curve.csv")
    sizes = figure_sizes(len(classes))
    write_figures(tmp_path / "figures", figure_drawers(written, baseline, curve, values, classes), sizes)
    assert (tmp_path / "figures" / "summary.png").exists()
    confidence = written["confidence"]
    assert sum(confidence["right"]) / 600 == pytest.approx(values["test"]["accuracy"])
    assert sum(confidence["right"]) + sum(confidence["wrong"]) == 600
    assert np.trapezoid(written["roc"]["tpr"], written["roc"]["fpr"]) == pytest.approx(
        values["test"]["roc_auc"], abs=0.01
    )
    matrix = confusion_matrix(written["confusion"], classes)
    assert matrix.sum(axis=1).tolist() == np.bincount(test.labels).tolist()
    assert np.trace(matrix) / 600 == pytest.approx(values["test"]["accuracy"])


def test_each_of_a_few_classes_has_a_curve_and_of_many_only_the_mean() -> None:
    for classes, lines in ((STARS, 5 + 2), (TWENTY, 2)):
        test = simulated(600, classes=classes)
        values = collect_metrics(test, test, None, slices(test), EVALUATION)
        axes = Figure().subplots()
        figure_drawers(all_tables(test), None, {}, values, classes)["roc"](axes)
        assert len(axes.get_lines()) == lines  # and guessing


def test_the_numbers_of_a_large_confusion_matrix_are_left_out_where_they_would_be_too_small_to_read() -> None:
    test = simulated(600, classes=TWENTY)
    for size, readable in ((figure_sizes(20)["confusion"], True), ((3, 2), False)):
        axes = Figure(figsize=size).subplots()
        draw_confusion(axes, all_tables(test)["confusion"], 0.5, TWENTY)
        assert bool(axes.texts) == readable
        assert all(text.get_fontsize() >= 4.5 for text in axes.texts)


def test_names_that_figures_cannot_show_are_numbers_there() -> None:
    names = ("负面", "إيجابي", "$5 and $6", "_x", "good", "Complaints about a delivery", "Complaints about no delivery")
    shown = names_in_figures(names)
    assert [shown[name] for name in names[:5]] == ["class 1", "class 2", r"\$5 and \$6", "class 4", "good"]
    assert len(set(shown.values())) == len(names)
    assert all(len(name) <= 26 for name in shown.values())


def test_no_number_in_the_figures_is_the_name_of_another_class() -> None:
    shown = names_in_figures(("class 2", "好", "class 5", "坏"))
    assert shown == {"class 2": "class 2", "好": "class 6", "class 5": "class 5", "坏": "class 4"}
    assert [name for name in shown if is_numbered(shown[name], name)] == ["好", "坏"]


def test_the_terminal_lists_the_classes_and_of_many_the_worst() -> None:
    for classes, expected in ((STARS, 5), (TWENTY, 10)):
        test = simulated(600, classes=classes)
        values = collect_metrics(test, test, None, slices(test), EVALUATION)
        checks = check_metrics(values, {})
        lines = format_report(values, slices(test), checks, {}, class_table(test)).splitlines()
        listed = [line for line in lines if line.endswith(classes) and "reviews" not in line]
        assert len(listed) == expected
        assert ("the 10 of 20 classes with the lowest F1:" in lines) == (classes == TWENTY)
        worst = min(values["test"]["classes"].items(), key=lambda item: item[1]["f1"])[0]
        assert any(line.endswith(f"  {worst}") for line in listed)


def test_another_objective_than_accuracy_stands_first_with_its_interval() -> None:
    objective = ObjectiveConfig(metric="macro_f1")
    config = EVALUATION.model_copy(update={"objective": objective})
    test, baseline = simulated(classes=THREE), simulated(seed=1, classes=THREE)
    values = collect_metrics(test, test, baseline, slices(test), config)
    bounds = interval(values["intervals"]["test"]["macro_f1"])
    first, *_ = format_report(values, slices(test), {}, {}, objective=objective).splitlines()
    expected = f"objective: macro_f1 {values['test']['macro_f1']:.4f} (95 % interval {bounds}), baseline "
    assert first == expected + f"{values['baseline']['macro_f1']:.4f}"
    assert values["val"]["macro_f1"] == values["test"]["macro_f1"]
    assert "objective" not in format_report(values, slices(test), {}, {})


def test_costs_and_a_target_of_precision_have_metrics_of_their_own() -> None:
    costs = {"negative": {"positive": 9.0}, "positive": {"negative": 1.0}}
    test = simulated()
    wrong = (test.predicted != test.labels) * np.where(test.labels == 0, 9, 1)
    config = EVALUATION.model_copy(update={"objective": ObjectiveConfig(metric="cost", costs=costs)})
    values = collect_metrics(test, test, None, slices(test), config)
    assert values["test"]["cost"] == pytest.approx(wrong.mean())
    low, high = values["intervals"]["test"]["cost"].values()
    assert low < values["test"]["cost"] < high

    objective = ObjectiveConfig(metric="precision", precision=0.9, precision_of="negative")
    values = collect_metrics(test, test, None, slices(test), config.model_copy(update={"objective": objective}))
    called = test.predicted == 0
    assert values["test"]["target_precision"] == pytest.approx(np.mean(test.labels[called] == 0))
    assert values["test"]["target_recall"] == pytest.approx(np.mean(called[test.labels == 0]))
    first, *_ = format_report(values, slices(test), {}, {}, objective=objective).splitlines()
    assert first.startswith("objective: target_recall ")
    assert first.endswith("; at precision {:.4f}, asked for 0.9".format(values["test"]["target_precision"]))
    assert "cost" not in values["test"]
