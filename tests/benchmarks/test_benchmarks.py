"""The benchmarks compare like with like, and their table says what was measured."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks import inference, overhead, preprocessing, profiling, training
from benchmarks.corpus import require_prepared, write_article_dataset
from benchmarks.measuring import Figure, alternate
from benchmarks.table import render, rewrite, verdict
from pipeline.config.labels import LABELS
from pipeline.preprocessing.duplicates import near_key
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.text.dataset import read_dataset_record, read_split, read_vocabulary
from pipeline.text.rows import read_texts
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import save_pretrained
from pipeline.training.launcher import ignore_metrics
from pipeline.training.pretraining import pretrain
from tests.conftest import configuration, describe_dataset, reviews

HARDWARE = ("trainer.threads=1", "trainer.precision=32-true", "trainer.accelerator=cpu")
SMALL = (
    *("model.embedding_dim=8", "model.hidden_dim=8", "model.wide.bits=12", "training.batch_size=64", *HARDWARE),
    *(
        f"pretraining.two_view.{key}"
        for key in ("dimension=4", "epochs=1", "validations_per_epoch=1", "negative_samples=8", "excluded_words=5")
    ),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A dataset as preprocess writes it, with the rows."""
    folder = tmp_path_factory.mktemp("dataset")
    batches = []
    for split, rows in (("train", reviews() * 6), ("validation", reviews()[:40]), ("test", reviews()[40:80])):
        labels = pa.array([label == "good" for _, label in rows]).cast(pa.int8())
        columns = {"id": [str(n) for n in range(len(rows))], "text": [text for text, _ in rows], "label": labels}
        batches.append((split, pa.record_batch(columns)))
    describe_dataset(folder, **{split: len(rows) for split, rows in batches})
    encode_corpus(folder, configuration().text, [batches], map, LABELS)
    return folder


@pytest.fixture(scope="module")
def pretrained(dataset, tmp_path_factory):
    """Region vectors as the stage pretrain writes them."""
    folder, config = tmp_path_factory.mktemp("pretrained"), configuration(*SMALL)
    learned = pretrain(config.pretraining, dataset, resolve_hardware(config.trainer), folder / "kept", ignore_metrics)
    save_pretrained(folder / "weights", config.pretraining, read_dataset_record(dataset).digest, learned)
    return folder / "weights"


def test_reference_and_predict_give_the_same_answers():
    words = sorted({word for text, _ in reviews() for word in text.lower().split()})
    theirs, ours = inference.both_sides(Vocabulary([*SPECIALS, *words]))
    texts = ["film", *(text for text, _ in reviews()[:5]), " ".join(text for text, _ in reviews()[:40])]
    assert np.ptp(theirs(texts)) > 0.01
    np.testing.assert_allclose(theirs(texts), ours(texts), atol=1e-5)


def test_the_article_is_trained_by_both_sides_on_every_word_and_200_tokens(dataset, tmp_path):
    article = tmp_path / "article"
    write_article_dataset(dataset, article)
    info, vocabulary = read_dataset_record(article), read_vocabulary(article)
    assert (info.splits, info.text["max_tokens"]) == ({"train": 1728, "validation": 40}, 200)
    assert {"delight", "misery"} <= set(vocabulary.words)
    assert read_split(article, "train").lengths.max() <= 200
    small = ("training.batch_size=16", "model.embedding_dim=8", "model.hidden_dim=8")
    assert training.reviews_per_second(configuration(*training.OURS, *small, *HARDWARE), article, None, 20) > 0
    assert training.reference_reviews_per_second(article, seed=1, steps=1) > 0


def test_overhead_and_profile_measure_a_real_training_with_region_vectors(dataset, pretrained):
    (figure,) = overhead.compare(dataset, pretrained, rounds=1, steps=20, overrides=SMALL)
    assert figure.details["ours_seconds_per_step"] > 0
    assert figure.value > -1
    profile = profiling.measure(dataset, pretrained, steps=20, overrides=SMALL)
    kinds = {"LSTM forward", "LSTM backward", "embedding", "region vectors", "optimizer", "EMA", "data", "pooling"}
    assert kinds <= profile["shares"].keys()
    assert sum(profile["shares"].values()) == pytest.approx(1, abs=0.05)


def test_products_of_the_lstm_are_counted_as_it_reads_the_batches(dataset):
    config = configuration(*SMALL, "model.max_length=10", "model.bidirectional=false", "training.batch_size=1728")
    # 1728 excerpts of 10 tokens; per token 4 gates of 8 units from 8 + 4 inputs and 8 units; times 2, 3 times
    assert profiling.lstm_flops(config, dataset, range(1)) == 1728 * 10 * (4 * 8 * (8 + 4 + 8)) * 2 * 3


def test_a_training_too_short_to_be_timed_is_refused(dataset):
    with pytest.raises(PipelineError, match="too short to be timed"):
        training.reviews_per_second(configuration(*SMALL, "training.epochs=1"), dataset, None, 10)


def test_a_multiplied_corpus_has_no_duplicates(tmp_path):
    texts = [text for text, _ in reviews()[:20]]
    columns = {"text": pa.array(texts, pa.large_string()), "label": pa.array([1] * 20, pa.int8())}
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    (tmp_path / "corpus.json").write_text("{}")
    preprocessing.multiply(tmp_path, tmp_path / "data", 4)
    copies = pq.read_table(tmp_path / "data" / "train.parquet")["text"].to_pylist()
    assert copies[:20] == texts
    assert len({near_key(text) for text in copies}) == 80
    assert sorted(copies[65].split()) == sorted(texts[5].split())


def test_growth_is_taken_between_the_larger_runs():
    runs = [preprocessing.Run(100, 3.0, 10_000), preprocessing.Run(400, 4.0, 20_000)]
    speed, time, memory = preprocessing.figures([*runs, preprocessing.Run(1600, 8.0, 80_000)], bare=1.0)
    assert speed.value == pytest.approx(300)
    assert (time.value, memory.value) == (0.5, 50)


def test_sides_are_measured_in_turns_and_the_median_counts():
    order = []
    values = {"a": iter([1, 9, 2]), "b": iter([4, 4, 5])}
    medians = alternate("x", {side: lambda side=side: order.append(side) or next(values[side]) for side in "ab"}, 3)
    assert order == list("ababab")
    assert medians == {"a": 2, "b": 4}


@pytest.mark.parametrize(
    ("value", "comparison", "said"),
    [(3.0, "at least", "pass"), (2.99, "at least", "short"), (3.0, "at most", "pass"), (3.01, "at most", "short")],
)
def test_a_short_measure_is_called_short(value, comparison, said):
    assert verdict(vars(Figure("x", value, comparison, 3.0))) == said


REPORT = {
    "machine": {
        **dict.fromkeys(("processor", "python", "torch", "pytorch-lightning", "torchtext", "numpy"), "1"),
        **{"cores": 2, "threads": 2, "flags": [], "gpu": None, "load_before": 0.1},
    },
    "figures": [
        vars(Figure("Training", 2.5, "at least", 3.0, "times")),
        vars(Figure("On a GPU", None, "at least", 0.9, details={"note": "no GPU on this machine"})),
    ],
    "profile": {
        **{"batch_size": 32, "precision": "32-true", "seconds_per_step": 0.1, "shares": {"LSTM forward": 0.25}},
        **{"peak_flops": 1e11, "lstm_flops": 5e10, "step_flops": 2e10},
    },
}


def test_the_table_is_made_from_the_report(tmp_path):
    page = tmp_path / "page.md"
    begin, end = (f"<!-- generated by `make bench`: {edge} -->" for edge in ("begin", "end"))
    page.write_text(f"Before\n{begin}\nold\n{end}\nafter\n")
    rewrite(page, REPORT)
    rewrite(page, REPORT)
    text = page.read_text()
    assert "| Training | 2.50 times | at least 3.00 | short |" in text
    assert "| On a GPU | not measured | at least 0.90 | no GPU on this machine |" in text
    assert "| LSTM forward | 25.0 % |" in text
    assert "reach 50 % of that" in text
    assert text.startswith("Before\n") and text.endswith(f"{end}\nafter\n") and "old" not in text


def test_a_page_without_markers_is_refused_and_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing to replace")
    with pytest.raises(PipelineError, match="lacks the markers"):
        rewrite(page, REPORT)
    assert page.read_text() == "nothing to replace"


def test_the_committed_page_agrees_with_the_committed_figures():
    path = WORKSPACE / "reports" / "benchmarks.json"
    if not path.exists():
        pytest.skip("`make bench` has not run yet")
    assert render(json.loads(path.read_text())) in (WORKSPACE / "docs" / "performance.md").read_text()


def test_a_missing_dataset_is_named_with_what_to_run(tmp_path):
    with pytest.raises(PipelineError, match=r"dataset is missing.*make repro"):
        require_prepared(tmp_path, tmp_path / "dataset")


def test_texts_are_those_of_the_split(dataset):
    read, _ = read_texts(dataset, "test")
    assert read[:3] == [text.replace("<br /><br />", "  ") for text, _ in reviews()[40:43]]
    assert torch.get_num_threads() == 1
