"""Record of a folder of pre-trained weights, `pretrained.json`: all that the folder holds without pre-training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.pretraining import PretrainingConfig
from pipeline.runtime.records import Record, write_json

PRETRAINED_FILE = "pretrained.json"


class PretrainedRecord(Record):
    """The record, of which `train` reads these values."""

    config: dict[str, Any]
    dataset: str


def write_pretrained_record(
    folder: Path, config: PretrainingConfig, digest: str, best: Mapping[str, Mapping[str, float]]
) -> None:
    """Write the record.

    Args:
        folder: exists.
        config: configuration of the pre-training.
        digest: digest of the dataset.
        best: row of the learning curve with the lowest validation loss, by method.
    """
    write_json(folder / PRETRAINED_FILE, {"config": config.model_dump(), "dataset": digest, "best": best})
