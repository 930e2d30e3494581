"""Run all benchmarks; write reports/benchmarks.json, and from it the tables in docs/performance.md."""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import gpu, inference, overhead, preprocessing, profiling, serve, startup, training
from benchmarks.corpus import require_prepared, write_article_dataset
from benchmarks.machine import describe
from benchmarks.measuring import set_up
from benchmarks.table import render, rewrite
from pipeline.cli import tidy_exit
from pipeline.runtime.paths import DATASET, DOWNLOADS, MODEL, PRETRAINED, REPORTS, WORKSPACE
from pipeline.runtime.records import write_json
from pipeline.text.rows import read_texts

TEXTS = 1024
"""Reviews that both sides of the benchmarks of inference and serving classify."""


def main() -> None:
    """Run the benchmarks, write their results and print the tables."""
    set_up()
    require_prepared(DOWNLOADS, DATASET, PRETRAINED, MODEL)
    report = measure()
    write_json(REPORTS / "benchmarks.json", report)
    rewrite(WORKSPACE / "docs" / "performance.md", report)
    print(render(report))


def measure() -> dict[str, Any]:
    """Return the machine, all figures and the profile, from what the stages of the default recipe wrote."""
    machine = describe()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        article = folder / "article"
        write_article_dataset(DATASET, article)
        texts = read_texts(DATASET, "test")[0][:TEXTS]
        figures = [
            *training.compare(article),
            *inference.compare(article, MODEL, texts),
            *overhead.compare(DATASET, PRETRAINED),
            *preprocessing.compare(DOWNLOADS, folder / "preprocessing"),
            *startup.compare(MODEL, folder / "startup"),
            *serve.compare(MODEL, texts),
            *gpu.compare(article),
        ]
        return {
            "machine": machine,
            "figures": [asdict(figure) for figure in figures],
            "profile": profiling.measure(DATASET, PRETRAINED),
        }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tidy_exit():
        main()
