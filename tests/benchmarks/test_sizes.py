"""The table of sizes, and the simulation of the checks, at small settings."""

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import checks, sizes
from benchmarks.sizes import Cell, MeasuredCell
from pipeline.config.labels import LABELS
from pipeline.preprocessing.encoding import encode_corpus
from tests.conftest import configuration, describe_dataset, reviews

SMALL = (
    *("pretraining=none", "corpus/auxiliary=none", "training.epochs=1", "model.embedding_dim=8", "model.hidden_dim=8"),
    *("model.wide.bits=12", "trainer.threads=1", "trainer.precision=32-true", "trainer.accelerator=cpu"),
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The default corpus in small, as preprocess writes it."""
    folder, rows = tmp_path_factory.mktemp("corpus"), reviews()
    parts = {"train": rows[:160], "validation": rows[160:200], "test": rows[200:]}
    batches = []
    for split, part in parts.items():
        labels = pa.array([label == "good" for _, label in part]).cast(pa.int8())
        ids = [f"{split}-{number}" for number in range(len(part))]
        batches.append((split, pa.record_batch({"id": ids, "text": [text for text, _ in part], "label": labels})))
    describe_dataset(folder, **{split: len(part) for split, part in parts.items()})
    encode_corpus(folder, configuration().text, [batches], map, LABELS)
    return folder


def test_a_cell_draws_the_shares_asked_for_and_no_text_twice(corpus):
    splits = sizes.draw_splits(Cell("reviews", "100", 80, 1), corpus)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 90, "validation": 10, "test": 55}
    for rows in splits.values():
        assert np.mean(rows["label"].to_numpy()) == pytest.approx(0.8, abs=0.01)
    texts = [text for rows in splits.values() for text in rows["text"].to_pylist()]
    assert len(texts) == len(set(texts))
    other = sizes.draw_splits(Cell("reviews", "100", 80, 2), corpus)
    assert other["train"]["id"].to_pylist() != splits["train"]["id"].to_pylist()


def test_a_cell_is_measured_once_for_each_configuration(corpus, tmp_path, monkeypatch):
    cells, results, config = (
        [Cell("reviews", "all", 50, seed) for seed in (1, 2)],
        tmp_path / "s.json",
        configuration(*SMALL),
    )
    first = sizes.main(cells[:1], config, results, corpus)
    assert (first[0].reviews, first[0].tested, first[0].epochs) == (200, 88, 1)
    assert first[0].baseline_accuracy > 0.6
    assert 0 < first[0].log_loss < 1
    both = sizes.main(cells, config, results, corpus)
    assert both[0] == first[0]
    monkeypatch.setattr(sizes, "measure", None)  # nothing is left to measure
    assert sizes.main(cells, config, results, corpus) == both
    assert sizes.main([], configuration(*SMALL, "training.epochs=2"), results, corpus) == []


def test_a_cell_of_more_texts_than_there_are_is_left_out(corpus, tmp_path, capsys):
    assert sizes.main([Cell("reviews", "300", 50, 1)], configuration(*SMALL), tmp_path / "s.json", corpus) == []
    assert "left out, there are only 200" in capsys.readouterr().out


def measured(seed, accuracy, **changed):
    """A measured cell whose baseline has 0.8."""
    fixed = {"kind": "reviews", "size": "300", "share": 50, "recipe": "", "reviews": 300, "tested": 2000}
    losses = {"log_loss": 0.5, "baseline_log_loss": 0.5}
    values = {**fixed, "baseline_accuracy": 0.8, **losses, "epochs": 20, "seconds": 1.0, **changed}
    return MeasuredCell(seed=seed, accuracy=accuracy, **values)


def test_the_table_shows_paired_differences_and_what_is_worse_by_more_than_chance():
    # by hand: mean 0.01, standard error 0.01 / sqrt(3), t of 2 degrees of freedom 4.303
    assert sizes.paired_interval([0.0, 0.01, 0.02]) == pytest.approx((0.01, 0.01 - 0.02484, 0.01 + 0.02484), abs=1e-4)
    worse = [measured(seed, 0.7 + seed / 1000, share=80) for seed in range(3)]
    table = sizes.render([*(measured(seed, 0.8 + seed / 100) for seed in range(3)), *worse])
    assert "| reviews | 300 | 50 % | 3 | 20 | 0.8100 | 0.8000 | +0.0100 (-0.0148 to +0.0348) |" in table
    assert "| reviews | 300 | 80 % | 3 | 20 | 0.7010 | 0.8000 | -0.0990 (-0.1015 to -0.0965) worse |" in table
    assert "Not measured: 300 reviews (95 %); 1,000 reviews (50 %, 80 %, 95 %);" in table


def test_the_simulated_checks_refuse_what_they_should_and_know_the_models():
    config = configuration()
    refused = checks.simulate(config.registry.checks, config.evaluation.ece_bins, sizes=[200], draws=100)
    models = {model.name: model for model in checks.simulated_models(config.evaluation.ece_bins)}
    assert refused.keys() == models.keys()
    assert refused["exactly calibrated, 0.84 accurate"][200] < 0.05
    assert refused["the same, logits 3 times as large: true error 0.10"][200] > 0.8
    assert refused["guesses, classes in equal shares"][200] > 0.9
    assert refused["as accurate as the baseline"][200] < 0.1
    assert 0.1 < refused["3 points less accurate than the baseline"][200] < 0.5
    name = "guesses, classes in equal shares"
    passed = 100 * (1 - refused[name][200])
    table = checks.render(config.registry.checks, config.evaluation.ece_bins, refused)
    assert f"| `test.relative_gain` ≥ 0.1 | {name} | passed | {passed:.1f} % |" in table


def test_models_of_the_simulation_are_as_good_as_they_are_called():
    random = np.random.default_rng(0)
    for model in checks.simulated_models(15):
        (metrics,) = model.draw(random, 20_000, 1)
        check = configuration().registry.checks[model.check]
        value = metrics
        for key in check.metric.split("."):
            value = value[key]
        within = (check.min is None or value >= check.min) and (check.max is None or value <= check.max)
        assert within == model.deserves, model.name
