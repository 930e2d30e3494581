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
from pipeline.evaluation.predictions import read_texts
from pipeline.runtime.paths import ARTIFACTS, DATASET, DOWNLOADS, MODEL, PRETRAINED, REPORTS, WORKSPACE
from pipeline.runtime.records import write_json

TEXTS = 1024
"""Reviews that both sides of the benchmarks of inference and serving classify."""


def main() -> None:
    """Run the benchmarks, write their results and print the tables."""
    set_up()
    require_prepared(DOWNLOADS, DATASET, PRETRAINED, MODEL)
    report = measure(DOWNLOADS, ARTIFACTS)
    write_json(REPORTS / "benchmarks.json", report)
    rewrite(WORKSPACE / "docs" / "performance.md", report)
    print(render(report))


def measure(downloads: Path, artifacts: Path) -> dict[str, Any]:
    """Return the machine, all figures and the profile.

    Args:
        downloads: the corpus in canonical form.
        artifacts: dataset, pre-trained weights and model of the default recipe, as its stages wrote them.
    """
    machine = describe()
    dataset, pretrained, model = artifacts / "dataset", artifacts / "pretrained", artifacts / "model"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        article = folder / "article"
        write_article_dataset(dataset, article)
        texts = read_texts(dataset, "test")[0][:TEXTS]
        figures = [
            *training.compare(article),
            *inference.compare(article, model, texts),
            *overhead.compare(dataset, pretrained),
            *preprocessing.compare(downloads, folder / "preprocessing"),
            *startup.compare(model, folder / "startup"),
            *serve.compare(model, texts),
            *gpu.compare(article),
        ]
        return {
            "machine": machine,
            "figures": [asdict(figure) for figure in figures],
            "profile": profiling.measure(dataset, pretrained),
        }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tidy_exit():
        main()
