"""CPU time and memory of each stage on ever more short reviews.

Generates reviews of about 20 words, and runs the stages on them one after the other, in a temporary project, with one
thread. A small network is trained for one epoch: a step of it takes as long however many reviews there are. Writes
reports/scale.json and the table in docs/performance.md; a number of reviews that was measured before, and is not asked
for now, stays.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.corpus import configuration
from benchmarks.machine import describe
from pipeline.cli import tidy_exit
from pipeline.config.labels import LABELS
from pipeline.runtime.atomic import write_text
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.paths import REPORTS, WORKSPACE
from pipeline.runtime.records import Record, read_json, write_json

PAGE = WORKSPACE / "docs" / "performance.md"
RESULTS = REPORTS / "scale.json"
COMMAND = "python -m benchmarks.scale"
STAGES = ("compose", "download", "preprocess", "pretrain", "pseudo_label", "train", "evaluate", "register")
SETTINGS = (
    *("corpus=files", "corpus.path=reviews.parquet", "corpus/auxiliary=none", "pretraining=none"),
    *("model.embedding_dim=32", "model.hidden_dim=32", "training.epochs=1", "training.batch_size=256"),
    *("trainer.accelerator=cpu", "trainer.threads=1"),
    *("evaluation.behaviour=false", "evaluation.contrast_pairs.path=null"),
    "registry.checks.not_worse_than_baseline.min=-1",  # the small network may be, and is to be registered
)
COPIED = ("pipeline", "conf", "behaviour_suite", "hydra_plugins", "dvc.yaml", "pyproject.toml")
"""What the stages need of the checkout."""
WORDS = 20_000
"""Words of the generated language; the k-th most frequent has a frequency of 1/k (Zipf's law)."""
OPINIONS = 200
"""Words of each class that the other has not, one of them in most reviews."""
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""A small process between: the peak of a child is never less than the memory that its parent has when it starts it."""
MIN_WORDS, MAX_WORDS = 10, 30
CHUNK = 10_000
"""Reviews that are generated together."""
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


class StageCost(Record):
    """What one stage took."""

    cpu_seconds: float
    """Processor time of the stage and its workers."""
    peak_bytes: int
    """Peak memory of its largest process."""


class MeasuredSize(Record):
    """Stages of one number of reviews."""

    reviews: int
    stages: dict[str, StageCost]
    baseline_sample: dict[str, int] | None
    """Content of `baseline_sample` in `reports/details.json`."""


class Measurements(Record):
    """`reports/scale.json`."""

    machine: dict[str, object]
    sizes: list[MeasuredSize]


def generate(reviews: int, seed: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield so many labelled reviews of `MIN_WORDS` to `MAX_WORDS` words; most say which class they are of."""
    random = np.random.default_rng(seed)
    cumulative = np.cumsum(1 / np.arange(1, WORDS + 1))
    words = np.array([_word(number) for number in range(WORDS + 2 * OPINIONS)])
    for start in range(0, reviews, CHUNK):
        labels = random.integers(0, 2, min(CHUNK, reviews - start))
        lengths = random.integers(MIN_WORDS, MAX_WORDS + 1, len(labels))
        ends = np.cumsum(lengths)
        chosen = np.searchsorted(cumulative, random.random(ends[-1]) * cumulative[-1])
        opinions = WORDS + OPINIONS * labels + random.integers(0, OPINIONS, len(labels))
        says_so = random.random(len(labels)) < 0.8
        chosen[(ends - lengths)[says_so]] = opinions[says_so]
        texts = [" ".join(own) for own in np.split(words[chosen], ends[:-1])]
        yield pa.record_batch({"text": texts, "label": _names(labels)})


def _word(number: int) -> str:
    """Return a word of two to four syllables, another for each number."""
    syllables: list[str] = []
    while number or len(syllables) < 2:
        number, syllable = divmod(number, len(SYLLABLES))
        syllables.append(SYLLABLES[syllable])
    return "".join(syllables)


def _names(labels: NDArray[np.int64]) -> pa.Array:
    return pa.array(np.array(LABELS)[labels])


def measure(reviews: int, folder: Path, stages: Sequence[str] = STAGES) -> MeasuredSize:
    """Generate reviews and run stages on them.

    Args:
        reviews: number of reviews.
        folder: a folder for the project; must not exist.
        stages: the stages to run.
    """
    prepare(folder, reviews)
    costs = {}
    for stage in tqdm(stages, desc=f"{reviews:,} reviews", disable=None):
        costs[stage] = run(folder, stage)
        if stage == "download":
            (folder / "downloads").rename(folder / "data")  # as DVC's import of data.dvc does
    details = folder / "reports" / "details.json"
    sample = read_json(details, Record, "").model_dump().get("baseline_sample") if details.exists() else None
    return MeasuredSize(reviews=reviews, stages=costs, baseline_sample=sample)


def prepare(folder: Path, reviews: int) -> None:
    """Make a project with its configuration and its reviews."""
    folder.mkdir(parents=True)
    for name in COPIED:
        source = WORKSPACE / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    write_text(folder / ".dvc" / "config", "")
    write_text(folder / "params.yaml", yaml.safe_dump(configuration(*SETTINGS).model_dump(mode="json")))
    schema = pa.schema({"text": pa.string(), "label": pa.string()})
    with pq.ParquetWriter(folder / "reviews.parquet", schema) as writer:
        for batch in generate(reviews):
            writer.write_batch(batch)


def run(folder: Path, stage: str) -> StageCost:
    """Run a stage of the project in a process of its own, with one thread.

    Raises:
        CalledProcessError: it failed; its own message is on standard error.
    """
    environment = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": ""}
    if stage == "compose":
        environment["DVC_EXP_NAME"] = "scale"  # it checks and fingerprints params.yaml, and does not compose another
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", f"pipeline.{stage}"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    seconds, kilobytes = done.stdout.split()
    return StageCost(cpu_seconds=float(seconds), peak_bytes=int(kilobytes) * 1024)


def render(measured: Measurements) -> str:
    """Return the table in Markdown: a row for each stage, two columns for each number of reviews."""
    sizes, machine = measured.sizes, measured.machine
    heading = "".join(f" {size.reviews:,} reviews: CPU | peak |" for size in sizes)
    lines = [
        f"{machine['processor']}, one thread; python {machine['python']}, torch {machine['torch']}.",
        "",
        f"| stage |{heading}",
        "|---|" + "---|---|" * len(sizes),
    ]
    for stage in STAGES:
        costs = [size.stages.get(stage) for size in sizes]
        if any(costs):
            cells = " | ".join(
                "not measured |" if cost is None else f"{cost.cpu_seconds:,.0f} s | {cost.peak_bytes / 1e6:,.0f} MB"
                for cost in costs
            )
            lines.append(f"| `{stage}` | {cells} |")
    lines += [
        f"\nOf {size.reviews:,} reviews the baseline in `evaluate` learned from a random sample of "
        f"{size.baseline_sample['reviews']:,} of the {size.baseline_sample['available']:,} training reviews."
        for size in sizes
        if size.baseline_sample is not None
    ]
    return "\n".join(lines)


def main(numbers: Sequence[int], stages: Sequence[str]) -> None:
    """Measure; rewrite the results and the table."""
    known = read_json(RESULTS, Measurements, f"remove it, and run `{COMMAND}` again").sizes if RESULTS.exists() else []
    sizes = {size.reviews: size for size in known}
    for reviews in numbers:
        with tempfile.TemporaryDirectory() as temporary:
            sizes[reviews] = measure(reviews, Path(temporary) / "project", stages)
        measured = Measurements(machine=describe(), sizes=[sizes[number] for number in sorted(sizes)])
        write_json(RESULTS, measured.model_dump())
        replace_generated(PAGE, COMMAND, render(measured))
    print(render(measured))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(number) for number in text.split(",")]  # noqa: E731
    parser.add_argument("--reviews", type=numbers, default=[25_000, 250_000], metavar="N,N", help="numbers of reviews")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage to run")
    return parser.parse_args()


if __name__ == "__main__":
    options = _parse_options()
    with tidy_exit():
        main(options.reviews, STAGES[: STAGES.index(options.until) + 1])
