"""Measure all figures of speed: write reports/benchmarks.json, and from it the tables in docs/performance.md."""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu, inference, overhead, preprocessing, profiling, startup, training
from benchmarks.corpus import require_prepared, write_article_dataset
from benchmarks.machine import describe
from benchmarks.table import render, rewrite
from pipeline.cli import tidy_exit
from pipeline.evaluation.predictions import read_texts
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import write_json

TEXTS = 1024
"""Reviews that both sides of the inference answer."""


def main() -> None:
    """Measure, write, print."""
    # Both sides alike: gradients that vanish become denormal numbers, with which the reference's first steps take
    # several times as long as its later ones, and which would flatter every ratio.
    torch.set_flush_denormal(True)
    downloads, dataset = WORKSPACE / "downloads", WORKSPACE / "artifacts" / "dataset"
    require_prepared(downloads, dataset)
    report = measure(downloads, dataset)
    write_json(WORKSPACE / "reports" / "benchmarks.json", report)
    rewrite(WORKSPACE / "docs" / "performance.md", report)
    print(render(report))


def measure(downloads: Path, dataset: Path) -> dict[str, Any]:
    """The machine, all figures and the profile."""
    machine = describe()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        article = folder / "article"
        write_article_dataset(dataset, article)
        figures = [
            *training.compare(article),
            *inference.compare(article, read_texts(dataset, "test")[0][:TEXTS]),
            *overhead.compare(dataset),
            *preprocessing.compare(downloads, folder / "preprocessing"),
            *startup.compare(dataset, folder / "startup"),
            *gpu.compare(article),
        ]
        return {
            "machine": machine,
            "figures": [asdict(figure) for figure in figures],
            "profile": profiling.measure(dataset),
        }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tidy_exit():
        main()
