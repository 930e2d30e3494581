"""Read the memory ladder back for the report."""

import logging
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.config.evaluation import MemoryLadderConfig
from pipeline.runtime.paths import project_root
from pipeline.runtime.records import Record, read_json
from pipeline.text.dataset import read_dataset_record

log = logging.getLogger(__name__)


class AccuracyByLength(Record):
    """A column for each quantity, with a value for each length class."""

    length: list[str]
    accuracy: list[float]
    low: list[float]
    high: list[float]
    reviews: list[int]

    @model_validator(mode="after")
    def _columns_are_of_one_length(self) -> "AccuracyByLength":
        if len({len(self.length), len(self.accuracy), len(self.low), len(self.high), len(self.reviews)}) > 1:
            raise ValueError("the columns of 'accuracy_by_length' differ in length")
        return self


class SentenceInfluence(Record):
    """Effect on the predictions of replacing one sentence by its opposite."""

    flip_rate: float
    """Share of (review, pair of sentences) whose label changes."""
    log_odds_change: float
    """Mean absolute change of the calibrated log-odds of positive, against negative alone."""


class SentencePlaces(Record):
    """Effect of a sentence by its place in the review."""

    start: SentenceInfluence
    end: SentenceInfluence


class LadderModel(Record):
    """Measurements of one network."""

    kind: Literal["bag_of_words", "rnn", "gru", "lstm"]
    accuracy: float
    accuracy_by_length: AccuracyByLength
    gradient: list[float] = Field(min_length=1)
    farther_half: float
    sentence: SentencePlaces | None
    """None for a corpus without the classes of the sentences, negative and positive."""


class LadderRecord(Record):
    """Content of `reports/memory_ladder.json`."""

    dataset: str
    models: dict[str, LadderModel]


def read_ladder(config: MemoryLadderConfig, dataset: Path) -> dict[str, Any] | None:
    """Read `memory_ladder.json`; None if the sweep has not run, or ran on another dataset than this folder's.

    A file without a fingerprint in the configuration is not read, because DVC would not know that the report depends
    on it.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    if config.fingerprint is None:
        return None
    path = project_root() / config.path
    ladder = read_json(path, LadderRecord, "run `dvc repro`, which checks for it")
    if ladder.dataset != read_dataset_record(dataset).digest:
        log.info("%s is of another dataset and left out of the report; docs/memory.md shows how to measure again", path)
        return None
    return ladder.model_dump()
