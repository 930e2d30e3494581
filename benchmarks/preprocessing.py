"""Preprocessing: its speed compared with bare tokenising, and the growth of its time and memory with the corpus."""

import shutil
import time
from collections import deque
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from torchtext.data.utils import get_tokenizer
from tqdm import tqdm

from benchmarks.corpus import configuration
from benchmarks.measuring import Figure, seconds_of_children
from benchmarks.workspace import copy_code, finish, start
from pipeline.preprocessing.canonical_reader import count_rows, row_groups
from pipeline.runtime.atomic import write_text
from pipeline.runtime.worker_pool import available_cores

POLL_SECONDS = 0.05
TOKENIZED = 4000
"""Reviews for timing bare tokenising."""


class Run(NamedTuple):
    """One run of the stage `preprocess`."""

    reviews: int
    seconds: float
    """Processor time of all its processes."""
    peak: int
    """Peak memory in bytes of all its processes together; without mapped files, which the kernel can drop."""


def compare(downloads: Path, folder: Path, *, sizes: tuple[int, int, int] = (1, 4, 16)) -> list[Figure]:
    """Preprocess the corpus and its multiples, each in a process of its own.

    Args:
        downloads: a corpus in canonical form.
        folder: working folder; must not exist.
        sizes: sizes of the corpora, as multiples of the corpus.
    """
    copy_code(folder)
    config = configuration()
    write_text(folder / "params.yaml", yaml.safe_dump(config.model_dump(mode="json")))
    bare = tokenized_per_second(downloads)
    runs = []
    for size in tqdm(sizes, desc="preprocessing", disable=None):
        multiply(downloads, folder / "data", size)
        runs.append(preprocess(folder))
        shutil.rmtree(folder / "data")
    return figures(runs, bare)


def figures(runs: list[Run], bare: float) -> list[Figure]:
    """Return the figures of runs on a growing corpus; `bare` is the speed of bare tokenising.

    Both speeds are reviews per second of CPU time: of preprocessing, that of its workers and the process that
    numbers the words and writes together.

    Speed and growth are measured from the second run to the last. That leaves out the start of Python and its workers,
    which takes the same time for every size. The first run is reported only.
    """
    (_, second, last) = runs
    more = last.reviews - second.reviews
    per_second = more / (last.seconds - second.seconds)
    growth = (last.seconds / second.seconds) / (last.reviews / second.reviews)
    details = {f"{run.reviews}_reviews": {"seconds": run.seconds, "peak_bytes": run.peak} for run in runs}
    speeds = {"bare_reviews_per_second": bare, "reviews_per_second": per_second, "workers": available_cores()}
    return [
        Figure("Preprocessing, a core's share", per_second / bare, "at least", 0.8, "times bare tokenising", speeds),
        Figure("Growth of its time", growth, "at most", 1.1, "times the growth of the corpus", details),
        Figure("Growth of its memory", (last.peak - second.peak) / more, "at most", 40, "bytes a review", details),
    ]


def tokenized_per_second(downloads: Path) -> float:
    """Return the reviews that torchtext's tokenizer alone takes in a second of CPU time."""
    tokenize = get_tokenizer("basic_english")
    texts: list[str] = []
    for group in row_groups(downloads):
        texts += group.read().column("text").to_pylist()
        if len(texts) >= TOKENIZED:
            break
    started = time.process_time()
    for text in texts:
        tokenize(text)
    return len(texts) / (time.process_time() - started)


def multiply(downloads: Path, data: Path, times: int) -> None:
    """Write a corpus `times` as large: the words of the n-th copy of a review are rotated by n places.

    No review is then a duplicate of another, and the copies have the same words and lengths.
    """
    data.mkdir()
    shutil.copy(downloads / "corpus.json", data)
    for name in ("train", "test", "unlabelled"):
        source = downloads / f"{name}.parquet"
        if source.exists():
            file = pq.ParquetFile(source)
            with pq.ParquetWriter(data / source.name, file.schema_arrow, compression="zstd") as writer:  # as `download`
                for copy in range(times):
                    for group in range(file.num_row_groups):  # as large as `download` makes them
                        writer.write_table(_rotated(file.read_row_group(group), copy))


def _rotated(rows: pa.Table, places: int) -> pa.Table:
    texts = []
    for text in rows.column("text").to_pylist():
        words = deque(text.split(" "))
        words.rotate(places)
        texts.append(" ".join(words))
    return rows.set_column(
        rows.schema.get_field_index("text"), rows.schema.field("text"), pa.array(texts, rows["text"].type)
    )


def preprocess(folder: Path) -> Run:
    """Run the stage on `folder/data` and sample its memory."""
    reviews = count_rows(folder / "data")
    started = seconds_of_children()
    process = start(folder, "-m", "pipeline.preprocess")
    peak = 0
    while process.poll() is None:
        peak = max(peak, _own_memory(process.pid))
        time.sleep(POLL_SECONDS)
    finish(process)
    return Run(reviews, seconds_of_children() - started, peak)


def _own_memory(pid: int) -> int:
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in chain([parent], parent.children(recursive=True)):
            memory = process.memory_info()
            total += memory.rss - getattr(memory, "shared", 0)
    except psutil.NoSuchProcess:
        return 0
    return total
