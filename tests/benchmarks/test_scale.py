"""The generated reviews and the table of the benchmark of scale; a stage on a few of them."""

import pyarrow as pa

from benchmarks import scale
from benchmarks.scale import MeasuredSize, Measurements, StageCost


def test_generated_reviews_are_short_distinct_and_the_same_every_time():
    reviews = pa.Table.from_batches(scale.generate(12_000))
    assert len(reviews) == 12_000
    assert reviews.equals(pa.Table.from_batches(scale.generate(12_000)))
    assert not reviews.equals(pa.Table.from_batches(scale.generate(12_000, seed=2)))
    texts = reviews["text"].to_pylist()
    assert len(set(texts)) == len(texts)
    assert {len(text.split()) for text in texts} == set(range(scale.MIN_WORDS, scale.MAX_WORDS + 1))
    assert set(reviews["label"].to_pylist()) == {"negative", "positive"}


def test_a_stage_is_measured_in_a_project_of_its_own(tmp_path):
    measured = scale.measure(200, tmp_path / "project", ("compose", "download"))
    assert (tmp_path / "project" / "data" / "train.parquet").exists()
    assert measured.baseline_sample is None
    for cost in measured.stages.values():
        assert cost.cpu_seconds > 0.2
        assert cost.peak_bytes > 50e6


def test_the_table_names_what_was_not_measured_and_a_sampled_baseline():
    sizes = [
        MeasuredSize(
            reviews=1000, stages={"train": StageCost(cpu_seconds=2.4, peak_bytes=8 * 10**8)}, baseline_sample=None
        ),
        MeasuredSize(reviews=2000, stages={}, baseline_sample={"reviews": 700, "available": 1400}),
    ]
    machine = {"processor": "a processor", "python": "3.11", "torch": "2"}
    table = scale.render(Measurements(machine=machine, sizes=sizes))
    assert "| `train` | 2 s | 800 MB | not measured | |" in table
    assert "evaluate` |" not in table
    assert "Of 2,000 reviews the baseline in `evaluate` learned from a random sample of 700 of the 1,400" in table
