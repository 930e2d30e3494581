"""Training record, `artifacts/run.json`: the MLflow run of a training, its tags and its speed."""

from pathlib import Path

from pydantic import Field, field_validator

from pipeline.runtime.records import Record, read_json

ORIGIN = ("git.commit", "git.dirty", "data.md5", "config.hash")
"""Tags from which a training can be reproduced."""


class TrainingRecord(Record):
    """Content of `run.json`."""

    run_id: str
    model: str
    """Digest of the model folder."""
    train_seconds: float = Field(ge=0)
    reviews_per_second: float = Field(ge=0)
    epochs: int
    device: str
    precision: str
    threads: int
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of the MLflow run."""

    @field_validator("tags")
    @classmethod
    def _require_origin(cls, tags: dict[str, str]) -> dict[str, str]:
        if tags and (missing := [key for key in ORIGIN if key not in tags]):
            raise ValueError(f"'tags' has no {missing[0]!r}")
        return tags


def read_training_record(path: Path, remedy: str) -> TrainingRecord:
    """Read the file.

    Raises:
        PipelineError: it is missing or damaged; the message ends with `remedy`.
    """
    return read_json(path, TrainingRecord, remedy)
