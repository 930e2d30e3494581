"""Training record, `artifacts/run.json`: the MLflow run of a training, what it was made from, and its speed."""

from pathlib import Path

from pydantic import Field, field_validator

from pipeline.runtime.records import Record, read_json

REQUIRED = ("git.commit", "git.dirty", "data.md5", "config.hash")
"""Keys of the origin from which a training can be reproduced."""


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
    origin: dict[str, str] = Field(default_factory=dict)
    """Hashes and names of what it was made from, as from `pipeline.tracking.provenance.origin_of`."""

    @field_validator("origin")
    @classmethod
    def _is_enough(cls, origin: dict[str, str]) -> dict[str, str]:
        if origin and (missing := [key for key in REQUIRED if key not in origin]):
            raise ValueError(f"'origin' has no {missing[0]!r}")
        return origin


def read_training_record(path: Path, remedy: str) -> TrainingRecord:
    """Read a training record.

    Raises:
        PipelineError: it is missing or damaged; the message ends with `remedy`.
    """
    return read_json(path, TrainingRecord, remedy)
