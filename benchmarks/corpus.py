"""Reviews for the benchmarks: those of the default corpus, as `dvc repro` prepared them."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.composition import compose_config
from pipeline.config.schema import Config, validate
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from pipeline.text.dataset import read_dataset_record

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


def write_dataset(folder: Path, splits: Mapping[str, pa.Table], config: Config, source: Path) -> None:
    """Write a dataset folder of the splits as `preprocess` does; the rest of `dataset.json` is that of `source`."""
    info = read_dataset_record(source)
    folder.mkdir(parents=True)
    batches = [[(split, batch)] for split, rows in splits.items() for batch in rows.to_batches(1000)]
    vocabulary, summaries, digest = encode_corpus(folder, config.text, batches, map, info.corpus.classes)
    corpus = info.corpus.model_copy(update={"config": {**info.corpus.config, "auxiliary": None}, "left_out": {}})
    sizes = {split: summary["reviews"] for split, summary in summaries.items()}
    changed = {"digest": digest, "corpus": corpus, "text": config.text.model_dump(), "vocabulary": len(vocabulary)}
    write_json(
        folder / "dataset.json", info.model_copy(update={**changed, "splits": sizes, "dropped": {}}).model_dump()
    )


def write_article_dataset(source: Path, folder: Path) -> None:
    """Encode the train split of the dataset `source`, and `VALIDATION` validation reviews, as the article does."""
    splits = {
        split: pq.read_table(source / split / "rows.parquet", columns=["text", "label"]).slice(0, limit)
        for split, limit in (("train", None), ("validation", VALIDATION))
    }
    write_dataset(folder, splits, configuration("experiment=article"), source)
