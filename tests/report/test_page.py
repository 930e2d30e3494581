"""The page that `evaluate` writes."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pipeline.behaviour.failures import behaviour_table
from pipeline.config.labels import LABELS
from pipeline.config.objective import ObjectiveConfig
from pipeline.config.registry import CheckConfig
from pipeline.evaluation.bootstrap import bootstrap_intervals
from pipeline.evaluation.checks import check_metrics
from pipeline.evaluation.mistakes import Mistake
from pipeline.evaluation.slices import slice_table
from pipeline.evaluation.summary import collect_metrics
from pipeline.report.data_record import DataRecord
from pipeline.report.figure_files import write_figures
from pipeline.report.figures import figure_drawers
from pipeline.report.findings import Findings
from pipeline.report.page import write_report
from pipeline.report.plot_tables import plot_tables
from tests.conftest import configuration
from tests.support.scored import simulated

CURVE = {"epoch": [1.0], "train_loss": [0.6], "val_loss": [0.5], "val_calibrated_loss": [0.5], "val_accuracy": [0.7]}


BEHAVIOUR_TABLE = {
    **{"capability": ["negation"], "test": ["minimum functionality"], "cases": [100], "failures": [7]},
    **{"failure_rate": [0.07], "low": [0.03], "high": [0.14]},
}


BEHAVIOUR = {
    "negation": {
        **{"description": "Not bad is good.", "test": "minimum functionality", "tolerance": 0},
        "examples": [{"expect": "positive", "text": "Not a <b>bad</b> film.", "probability": 0.1}],
    }
}


RUNG = {
    **{"kind": "bag_of_words", "accuracy": 0.8, "farther_half": 0.5, "gradient": [0.5, 0.5]},
    "sentence": {place: {"flip_rate": 0.075, "log_odds_change": 0.1} for place in ("start", "end")},
    "accuracy_by_length": {
        "length": ["up to 50 words"],
        "accuracy": [0.8],
        "low": [0.7],
        "high": [0.9],
        "reviews": [9],
    },
}


SPLIT = {"reviews": 400, "tokens": {"p50": 7, "p95": 9}, "cut": 3, "unknown_word_share": 0.02}


DATA = {
    "corpus": "mine",
    "vocabulary": 1200,
    "splits": {"test": SPLIT | {"classes": {"negative": 200, "positive": 200}}, "unlabelled": SPLIT},
    "duplicates": {
        **{"repeats": 4, "exact": 3, "near_exact": 1, "unlabelled": 0, "label_conflicts": 1, "kept_by_test": 0},
        **{"within": {"test": 1}, "across": {"test-train": 3}, "dropped": {"train": 3}},
        **{"contradicting": 2, "tied": 1},
        "classes_before": {"train": {"negative": 300, "positive": 500}},
        "classes_after": {"train": {"negative": 299, "positive": 498}},
    },
    "groups": {
        "groups": 77,
        "ungrouped": 5,
        "shared": 2,
        "dropped": {"train": 9},
        "too_large": {"test": 1},
        "for_class": {},
    },
    "checks": [
        {
            **{"name": "left_out", "metric": "measures.left_out_share", "value": 0.25},
            **{"min": None, "max": 0.5, "passed": True, "remedy": None},
        }
    ],
    "left_out": {"ignored_labels": 1200, "duplicates": 3},
}


LSTM = {
    **{"accuracy": 0.81, "log_loss": 0.41, "val_accuracy": 0.82, "val_log_loss": 0.42},
    "adds": {"accuracy": 0.02, "low": 0.005, "high": 0.035},
    "minus_ngrams": {"accuracy": -0.02, "low": -0.04, "high": 0.0},
}
PARTS = {
    "lstm": LSTM,
    "ngrams": {"accuracy": 0.83, "log_loss": 0.43, "val_accuracy": 0.84, "val_log_loss": 0.44},
    "joint": {"accuracy": 0.85, "log_loss": 0.45, "val_accuracy": 0.86, "val_log_loss": 0.46},
}


EVIL = "<script>document.title = 'taken over'</script> & <img src=https://example.org/x.png>"


EVALUATION = configuration("evaluation.length_edges=[3,6]").evaluation


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Findings from simulated answers, with a review that would take over the page."""
    folder = tmp_path_factory.mktemp("evaluated")
    test, baseline = simulated(), simulated(seed=1)
    slices = slice_table(test, np.linspace(0, 0.1, len(test.labels)), EVALUATION)
    metrics = collect_metrics(test, test, baseline, slices, EVALUATION)
    metrics["contrast"] = {"original_accuracy": 0.9, "edited_accuracy": 0.7, "consistency": 0.65, "pairs": 20}
    metrics["parts"] = PARTS
    plots = {**plot_tables(test, EVALUATION), "slices": slices, "behaviour": BEHAVIOUR_TABLE}
    write_figures(folder, figure_drawers(plots, baseline, CURVE, metrics, LABELS))
    shutil.copy(folder / "roc.svg", folder / "memory_ladder.svg")
    return Findings(
        classes=LABELS,
        metrics=metrics,
        checks=check_metrics(metrics, {"better_than_majority": CheckConfig(metric="test.gain_over_majority", min=0)}),
        tables=plots,
        figures=folder,
        mistakes=[Mistake("<b>", "positive", "negative", 0.001, 0.001, EVIL)],
        behaviour=BEHAVIOUR,
        learning_curve=CURVE,
        ladder={"models": {"bag_of_words": RUNG}},
        data=DataRecord.model_validate(DATA),
        origin={"git.commit": "abc123", "git.dirty": "false", "data.md5": "123.dir", "config.hash": "def"},
    )


class ReadPage(HTMLParser):
    """The headline of a page, and the text and the column names of each of its sections."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headline: list[str] = []
        self.sections: dict[str, str] = {}
        self.columns: dict[str, list[str]] = {}
        self._section, self._into = "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == "section":
            self._section = values["id"] or ""
            self.sections[self._section], self.columns[self._section] = "", []
        self._into = "headline" if values.get("class") == "headline" else tag
        if self._into == "headline":
            self.headline.append("")
        if tag == "th":
            self.columns[self._section].append("")

    def handle_endtag(self, _: str) -> None:
        self._into = ""

    def handle_data(self, data: str) -> None:
        if self._into == "headline":
            self.headline[-1] += " ".join(data.split())
        if self._into == "th":
            self.columns[self._section][-1] += data
        if self._section:
            self.sections[self._section] += data


def read(folder: Path, findings: Findings) -> ReadPage:
    return ReadPage(page(folder, findings))


def page(folder: Path, findings: Findings) -> str:
    write_report(folder / "report.html", findings)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_the_same_every_time_and_fetches_nothing(findings: Findings, tmp_path: Path) -> None:
    first = page(tmp_path, findings)
    assert first == page(tmp_path, findings)
    assert first.count("<svg") == len(list(findings.figures.glob("*.svg")))
    assert "<img" not in first
    assert 'href="http' not in first


def test_figures_are_dark_on_a_dark_page_and_names_in_them_are_only_shown(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, of_classes(findings, tmp_path, ("<b>ham</b>", "spam")))
    assert "stroke: light-dark(#0072b2, #5aa9e6)" in shown
    assert "&lt;b&gt;ham&lt;/b&gt; reviews</text>" in shown
    assert "<b>ham" not in shown


def test_markup_in_a_review_is_shown_and_not_obeyed(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, findings)
    assert "&lt;script&gt;document.title" in shown
    assert EVIL not in shown
    assert "<td>&lt;b&gt;</td>" in shown


def test_the_page_says_how_good_and_how_sure(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, findings)
    test, bounds = findings.metrics["test"], findings.metrics["intervals"]["test"]["accuracy"]
    assert f"{test['accuracy']:.1%} of {test['reviews']:,} test reviews" in shown
    assert f"{bounds['low']:.4f} to {bounds['high']:.4f}" in shown
    assert "git checkout abc123; make repro" in shown


def test_a_failed_check_is_in_the_headline(findings: Findings, tmp_path: Path) -> None:
    check = {"name": "too_low", "metric": "test.accuracy", "value": 0.5, "min": 0.9, "max": None, "passed": False}
    check["remedy"] = "add reviews"
    failed = replace(findings, checks={"passed": False, "checks": [check]})
    assert read(tmp_path, failed).headline[-1] == "It may not be registered: too low failed."
    assert "too low: add reviews." in read(tmp_path, failed).sections["verdict"]
    assert read(tmp_path, findings).headline[-1] == "It passed every check."


def test_what_was_left_out_of_the_data_is_counted(findings: Findings, tmp_path: Path) -> None:
    shown = " ".join(read(tmp_path, findings).sections["data"].split())
    assert "Left out reasonrows ignored labels1,200 duplicates3" in shown
    assert "reviews that contradict most others of the same text2 left out because the text has no majority1" in shown
    assert "trainnegative300299 trainpositive500498" in shown
    assert "reviews dropped from train for that9 groups larger than the test split, trained on1" in shown
    assert "left outmeasures.left_out_sharepassed0.25000.5" in shown


def test_what_there_is_nothing_to_say_of_has_no_section(findings: Findings, tmp_path: Path) -> None:
    optional = {"parts", "memory", "behaviour", "contrast", "mistakes", "data", "reproduce"}
    every = set(read(tmp_path, findings).sections)
    assert optional < every
    metrics = {key: value for key, value in findings.metrics.items() if key not in ("contrast", "parts")}
    bare = replace(findings, metrics=metrics, mistakes=[], behaviour={}, ladder=None, data=None, origin={})
    assert set(read(tmp_path, bare).sections) == every - optional


@pytest.mark.parametrize(
    ("low", "high", "effect"),
    [(0.005, 0.035, "clearly improves"), (-0.03, -0.01, "clearly worsens"), (-0.01, 0.01, "does not clearly change")],
)
def test_the_parts_of_a_network_are_shown_and_what_the_recurrent_one_adds(
    low: float, high: float, effect: str, findings: Findings, tmp_path: Path
) -> None:
    parts = PARTS | {"lstm": LSTM | {"adds": {"accuracy": 0.02, "low": low, "high": high}}}
    shown = read(tmp_path, replace(findings, metrics={**findings.metrics, "parts": parts}))
    words = " ".join(shown.sections["parts"].split())
    assert f"The recurrent network {effect} the accuracy of the n-grams: the difference is 0.0200" in words
    assert f"(95 % interval {low:.4f} to {high:.4f})" in words
    assert "recurrent network (lstm) alone0.81000.41000.82000.4200" in words
    assert "n-grams alone0.83000.43000.84000.4400" in words
    assert "joined0.85000.45000.86000.4600" in words
    assert "recurrent network alone minus n-grams alone-0.0200-0.0400 to 0.0000" in words


def test_a_ladder_without_sentences_has_no_columns_of_flips(findings: Findings, tmp_path: Path) -> None:
    assert read(tmp_path, findings).columns["memory"][-2:] == ["flips at the start", "flips at the end"]
    without = replace(findings, ladder={"models": {"bag_of_words": RUNG | {"sentence": None}}})
    shown = read(tmp_path, without)
    assert shown.columns["memory"][-1] == "gradient in the farther half"
    assert "opposite" not in shown.sections["memory"]


def test_parts_behaviour_and_pairs_are_shown_with_their_numbers(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, findings)
    worst = read(tmp_path, findings).sections["slices"]
    assert f"with {findings.metrics['worst_slice']['accuracy']:.1%}" in worst
    assert "By share of words that are not in the vocabulary" in shown
    assert "Not bad is good." in shown
    assert "Not a &lt;b&gt;bad&lt;/b&gt; film." in shown
    assert "3.0% to 14.0%" in shown
    assert "20 pairs" in shown


def test_without_a_baseline_nothing_is_compared(findings: Findings, tmp_path: Path) -> None:
    test = simulated()
    alone = {**findings.metrics, "intervals": bootstrap_intervals(test, None)}
    del alone["baseline"]
    shown = read(tmp_path, replace(findings, metrics=alone))
    assert next(iter(shown.columns.values())) == ["", "model", "95 % interval"]
    assert len(shown.headline) == 2


def test_the_objective_is_named_at_the_top_and_marked_in_the_table(findings: Findings, tmp_path: Path) -> None:
    chosen_for = replace(findings, objective=ObjectiveConfig(metric="mcc"))
    shown = read(tmp_path, chosen_for)
    mcc = findings.metrics["test"]["mcc"]
    assert f"Its labels are chosen for the highest Matthews correlation: {mcc:.4f} (95 % interval " in shown.headline[2]
    assert "Matthews correlation (objective)" in shown.sections["metrics"]
    assert "(objective)" not in read(tmp_path, findings).sections["metrics"]


def of_classes(findings: Findings, folder: Path, classes: Sequence[str]) -> Findings:
    """Return findings about simulated answers of these classes."""
    test = simulated(400, classes=classes)
    slices = slice_table(test, np.linspace(0, 0.1, len(test.labels)), EVALUATION)
    metrics = collect_metrics(test, test, simulated(400, seed=1, classes=classes), slices, EVALUATION)
    plots = {**plot_tables(test, EVALUATION), "slices": slices, "behaviour": behaviour_table({}, {})}
    write_figures(folder / "figures", figure_drawers(plots, None, CURVE, metrics, classes))
    split = SPLIT | {"classes": {name: 100 + number for number, name in enumerate(classes)}}
    data = DataRecord.model_validate(DATA | {"splits": {"test": split, "unlabelled": SPLIT}})
    mistakes = [Mistake("7", classes[-1], classes[0], 0.9, 0.05, "Irony.")]
    return replace(
        findings,
        classes=classes,
        metrics=metrics,
        tables=plots,
        figures=folder / "figures",
        mistakes=mistakes,
        ladder=None,
        behaviour={},
        data=data,
        inapplicable=["the behaviour tests"],
    )


def test_several_classes_are_shown_each_with_its_numbers(findings: Findings, tmp_path: Path) -> None:
    classes = ("bad", "so-so", "good")
    several = of_classes(findings, tmp_path, classes)
    shown = read(tmp_path, several)
    words = {name: " ".join(text.split()) for name, text in shown.sections.items()}
    f1 = several.metrics["test"]["classes"]["so-so"]["f1"]
    assert f"{f1:.4f}" in words["metrics"]
    assert "macro F1" in words["metrics"]
    assert [f"predicted {name}" for name in classes] == shown.columns["confusion"][1:4]
    assert shown.columns["mistakes"] == ["actual", "predicted", "id", "probability of actual", "of predicted", "text"]
    assert "goodbad70.05000.9000" in words["mistakes"]
    assert "Reviews of each class classtest bad100 so-so101 good102" in words["data"]
    assert words["inapplicable"].startswith("Left out: the behaviour tests")
    assert "positive" not in words["calibration"]


def test_a_page_of_twenty_classes_has_them_all_in_its_matrix(findings: Findings, tmp_path: Path) -> None:
    classes = tuple(f"topic {number}" for number in range(20))
    shown = read(tmp_path, of_classes(findings, tmp_path, classes))
    assert shown.columns["confusion"] == ["actual", *classes, "correct"]


def test_two_classes_of_other_names_are_called_by_them(findings: Findings, tmp_path: Path) -> None:
    shown = read(tmp_path, of_classes(findings, tmp_path, ("ham", "spam")))
    page_text = " ".join(shown.sections.values())
    assert "share of spam reviews" in shown.columns["calibration"]
    assert "probability of spam" in shown.columns["mistakes"]
    assert shown.columns["data"][:3] == ["split", "reviews", "spam"]
    assert "predicted ham" in shown.columns["confusion"]
    assert "share of spam reviews among" not in page_text  # precision is no headline
    assert "recall for the spam label" in page_text


def test_a_class_that_pictures_name_otherwise_is_explained(findings: Findings, tmp_path: Path) -> None:
    shown = read(tmp_path, of_classes(findings, tmp_path, ("负面", "中性", "good")))
    assert "class 1 stands for 负面, class 2 stands for 中性:" in shown.sections["metrics"]
