"""The page that `evaluate` writes, and the intervals on it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import compose
from pipeline.config.params import load_params
from pipeline.config.registry import CheckConfig
from pipeline.evaluation.bootstrap import METRICS, intervals, resampled_metrics
from pipeline.evaluation.checks import verdict
from pipeline.evaluation.metrics import classification_metrics
from pipeline.evaluation.mistakes import Mistake, confident_mistakes
from pipeline.evaluation.predictions import Scored
from pipeline.evaluation.slices import slice_table
from pipeline.memory_ladder.record import read_ladder
from pipeline.report.page import Findings, headline, sections, write_report
from pipeline.report.plot_tables import tables
from pipeline.report.plots import drawings, write_figures
from pipeline.report.summary import collect_metrics
from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from tests.conftest import configuration, describe_dataset

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
    "accuracy_by_length": {"length": ["up_to_50"], "accuracy": [0.8], "low": [0.7], "high": [0.9], "reviews": [9]},
}
SPLIT = {"reviews": 400, "tokens": {"p50": 7, "p95": 9}, "cut": 3, "unknown_word_share": 0.02}
DATA = {
    "corpus": "mine",
    "vocabulary": 1200,
    "splits": {"test": SPLIT | {"positive_share": 0.5}, "unlabelled": SPLIT},
    "duplicates": {
        **{"repeats": 4, "exact": 3, "near_exact": 1, "label_conflicts": 1},
        **{"within": {"test": 1}, "across": {"test-train": 3}, "dropped": {"train": 3}},
    },
}
EVIL = "<script>document.title = 'taken over'</script> & <img src=https://example.org/x.png>"


EVALUATION = configuration("evaluation.length_edges=[3,6]").evaluation


def simulated(n: int = 400, seed: int = 0) -> Scored:
    """Reviews whose probabilities are true to their word."""
    random = np.random.default_rng(seed)
    probabilities = random.beta(0.5, 0.5, n).astype(np.float32)
    labels = (random.random(n) < probabilities).astype(np.int8)
    rows = pa.table({"id": [str(i) for i in range(n)], "label": labels})
    return Scored("test", rows, labels, random.integers(1, 10, n), probabilities, 0.5)


def with_answers(scored: Scored, probabilities: np.ndarray) -> Scored:
    return replace(scored, probabilities=probabilities.astype(np.float32))


# Intervals


def test_a_resample_has_the_metrics_of_the_reviews_drawn() -> None:
    test = simulated(50)
    test = with_answers(test, test.probabilities.round(1))  # with ties
    counts = np.random.default_rng(1).multinomial(50, np.full(50, 1 / 50), size=3).astype(float)
    counts[0] = 1
    found = resampled_metrics(counts, test)
    for resample, drawn in enumerate(counts.astype(int)):
        labels, probabilities = np.repeat(test.labels, drawn), np.repeat(test.probabilities, drawn)
        expected = classification_metrics(labels, probabilities, threshold=0.5, ece_bins=10, name="test")
        assert found[:, resample] == pytest.approx([expected[name] for name in METRICS])


def test_the_interval_covers_the_true_accuracy_about_19_times_in_20() -> None:
    covered = 0
    for seed in range(100):
        right = np.random.default_rng(seed).random(200) < 0.8
        labels = np.ones(200, np.int8)
        test = Scored("test", pa.table({}), labels, labels, np.where(right, 0.9, 0.1).astype(np.float32), 0.5)
        found = intervals(test, None, resamples=300)["test"]["accuracy"]
        covered += found["low"] <= 0.8 <= found["high"]
    assert 88 <= covered <= 99


def test_intervals_are_equal_every_time_and_the_difference_is_paired() -> None:
    test = simulated(300)
    similar = with_answers(test, test.probabilities * 0.98)
    found = intervals(test, similar)
    assert found == intervals(test, similar)
    width = {name: found[name]["log_loss"]["high"] - found[name]["log_loss"]["low"] for name in found}
    assert width["difference"] < width["test"] / 4
    assert intervals(test, test)["difference"]["accuracy"] == {"low": 0, "high": 0}


def test_what_is_undefined_has_no_interval() -> None:
    ones = Scored("test", pa.table({}), np.ones(4, np.int8), np.ones(4, int), np.full(4, 0.9, np.float32), 0.5)
    found = intervals(ones, None)["test"]
    assert found["roc_auc"] == {"low": None, "high": None}
    assert found["accuracy"] == {"low": 1, "high": 1}


# Mistakes


def test_the_worst_mistakes_come_first_and_long_texts_are_shortened(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    describe_dataset(tmp_path, test=4)
    labels = np.array([1, 0, 1, 0], np.int8)
    rows = pa.table({"id": list("abcd"), "label": labels})
    texts = ["fine", "x" * 1000, "dull", "good"]
    pq.write_table(rows.append_column("text", [texts]), tmp_path / "test" / "rows.parquet")
    test = Scored("test", rows, labels, np.ones(4, int), np.array([0.9, 0.95, 0.2, 0.1], np.float32), 0.5)
    worst = confident_mistakes(test, tmp_path)
    assert [(found.id, found.label) for found in worst] == [("b", "negative"), ("c", "positive")]
    assert worst[0].text == "x" * 400 + " …"
    assert worst[1] == Mistake("c", "positive", pytest.approx(0.2), "dull")


# The ladder of memory


def test_a_ladder_is_shown_if_dvc_knows_of_it_and_it_is_of_this_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    digest = describe_dataset(tmp_path / "dataset")["digest"]
    config = EVALUATION.memory_ladder
    known = config.model_copy(update={"fingerprint": "sha256:0"})
    with pytest.raises(PipelineError, match=r"memory_ladder\.json is missing; run `dvc repro`"):
        read_ladder(known, tmp_path / "dataset")
    write_json(tmp_path / config.path, {"dataset": digest, "models": {}})
    assert read_ladder(config, tmp_path / "dataset") is None
    assert read_ladder(known, tmp_path / "dataset") == {"dataset": digest, "models": {}}
    write_json(tmp_path / config.path, {"dataset": "another", "models": {}})
    assert read_ladder(known, tmp_path / "dataset") is None


def test_compose_tells_dvc_whether_there_is_a_ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(compose, "PARAMS", tmp_path / "params.yaml")
    monkeypatch.setattr(compose, "CODE", tmp_path / "code.yaml")
    found = []
    for numbers in (None, "{}", "[]"):
        if numbers:
            write_text(tmp_path / EVALUATION.memory_ladder.path, numbers)
        compose.main()
        found.append(load_params(tmp_path / "params.yaml").evaluation.memory_ladder.fingerprint)
    assert found[0] is None
    assert len(set(found)) == 3


# The page


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Of simulated answers, with a review that would take the page over."""
    folder = tmp_path_factory.mktemp("evaluated")
    test, baseline = simulated(), simulated(seed=1)
    slices = slice_table(test, np.linspace(0, 0.1, len(test.labels)), EVALUATION)
    metrics = collect_metrics(test, test, baseline, slices, EVALUATION)
    metrics["contrast"] = {"original_accuracy": 0.9, "edited_accuracy": 0.7, "consistency": 0.65, "pairs": 20}
    plots = {**tables(test, EVALUATION), "slices": slices, "behaviour": BEHAVIOUR_TABLE}
    write_figures(folder, drawings(plots, baseline, CURVE, metrics))
    shutil.copy(folder / "roc.png", folder / "memory_ladder.png")
    return Findings(
        metrics=metrics,
        verdict=verdict(metrics, {"better_than_guessing": CheckConfig(metric="test.gain_over_majority", min=0)}),
        tables=plots,
        figures=folder,
        mistakes=[Mistake("<b>", "positive", 0.001, EVIL)],
        behaviour=BEHAVIOUR,
        learning_curve=CURVE,
        ladder={"models": {"bag_of_words": RUNG}},
        data=DATA,
        made_from={"git.commit": "abc123", "git.dirty": "false", "data.md5": "123.dir", "config.hash": "def"},
    )


def page(folder: Path, findings: Findings) -> str:
    write_report(folder / "report.html", findings)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_the_same_every_time_and_fetches_nothing(findings: Findings, tmp_path: Path) -> None:
    first = page(tmp_path, findings)
    assert first == page(tmp_path, findings)
    assert 'src="data:image/png;base64,' in first
    assert 'src="http' not in first


def test_markup_in_a_review_is_shown_and_not_obeyed(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, findings)
    assert "&lt;script&gt;document.title" in shown
    assert EVIL not in shown
    assert '<td class="">&lt;b&gt;</td>' in shown


def test_the_page_says_how_good_and_how_sure(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, findings)
    test, bounds = findings.metrics["test"], findings.metrics["intervals"]["test"]["accuracy"]
    assert f"{test['accuracy']:.1%} of {test['reviews']:,} test reviews" in shown
    assert f"{bounds['low']:.4f} to {bounds['high']:.4f}" in shown
    assert "git checkout abc123; make repro" in shown


def test_a_failed_check_is_in_the_headline(findings: Findings) -> None:
    check = {"name": "too_low", "metric": "test.accuracy", "value": 0.5, "min": 0.9, "max": None, "passed": False}
    failed = replace(findings, verdict={"passed": False, "checks": [check]})
    assert headline(failed)[-1] == "It may not be registered: too low failed."
    assert headline(findings)[-1] == "It passed every check."


def test_what_there_is_nothing_to_say_of_has_no_section(findings: Findings) -> None:
    optional = {"memory", "behaviour", "contrast", "mistakes", "data", "reproduce"}
    every = {section.id for section in sections(findings)}
    assert optional < every
    metrics = {key: value for key, value in findings.metrics.items() if key != "contrast"}
    bare = replace(findings, metrics=metrics, mistakes=[], behaviour={}, ladder=None, data=None, made_from={})
    assert {section.id for section in sections(bare)} == every - optional


def test_parts_behaviour_and_pairs_are_shown_with_their_numbers(findings: Findings, tmp_path: Path) -> None:
    shown = page(tmp_path, findings)
    (worst,) = [section.reading for section in sections(findings) if section.id == "slices"]
    assert f"with {findings.metrics['worst_slice']['accuracy']:.1%}" in worst
    assert "By the share of words the vocabulary lacks" in shown
    assert "Not bad is good." in shown
    assert "Not a &lt;b&gt;bad&lt;/b&gt; film." in shown
    assert "3.0% to 14.0%" in shown
    assert "20 pairs" in shown


def test_without_a_baseline_nothing_is_compared(findings: Findings) -> None:
    test = simulated()
    alone = {**findings.metrics, "intervals": intervals(test, None)}
    del alone["baseline"]
    shown = sections(replace(findings, metrics=alone))[0]
    assert list(shown.tables[0].columns) == ["", "model", "95 % interval"]
    assert len(headline(replace(findings, metrics=alone))) == 2
