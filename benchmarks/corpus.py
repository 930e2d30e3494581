"""Reviews for the benchmarks: those of the default corpus, as `dvc repro` prepared them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.composition import compose_config
from pipeline.config.labels import LABELS
from pipeline.config.schema import Config, validate
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.runtime.errors import PipelineError

VALIDATION = 64
"""Validation reviews of the article's dataset: no timed step needs one, but a training does."""


def configuration(*overrides: str) -> Config:
    """Return the validated configuration of conf/ with these overrides."""
    return validate(compose_config(list(overrides)))


def require_prepared(*folders: Path) -> None:
    """Refuse to run without the folders that a run of the pipeline leaves behind.

    Raises:
        PipelineError: one of them is missing.
    """
    for folder in folders:
        if not folder.is_dir():
            raise PipelineError(f"{folder} is missing; the benchmarks read it: run `make repro` first")


def write_article_dataset(source: Path, folder: Path) -> None:
    """Encode the train split of the dataset `source`, and `VALIDATION` validation reviews, as the article does."""

    def reviews() -> Iterator[list[tuple[str, pa.RecordBatch]]]:
        for split, limit in (("train", None), ("validation", VALIDATION)):
            rows = pq.read_table(source / split / "rows.parquet", columns=["text", "label"])
            for batch in rows.slice(0, limit).to_batches(512):
                yield [(split, batch)]

    encode_corpus(folder, configuration("text=article").text, reviews(), map, LABELS)
