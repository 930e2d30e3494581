"""JSON records: small files that one command writes and a later one reads and checks."""

import json
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError

Schema = TypeVar("Schema", bound=BaseModel)

MAX_TEXT_BYTES = 64 * 2**20
"""Largest file that is read into memory whole; as Python objects it may take twenty times as much."""


class Record(BaseModel):
    """Schema of a JSON file that the pipeline has written, or of a part of one.

    The fields are what later commands rely on; anything else in the file is for people. Values are not converted: a
    number in quotes is an edit, and an error.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)


def read_bounded(path: Path, remedy: str) -> str:
    """Read a text file into memory; errors as `read_bounded_bytes`."""
    return read_bounded_bytes(path, remedy).decode()


def read_bounded_bytes(path: Path, remedy: str) -> bytes:
    """Read a file into memory.

    Raises:
        PipelineError: the file is larger than `MAX_TEXT_BYTES`; the message ends with the remedy.
    """
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise PipelineError(f"{path} is damaged: it has {size:,} bytes, more than any file of its kind; {remedy}")
    return path.read_bytes()


def read_json(path: Path, schema: type[Schema], remedy: str) -> Schema:
    """Read a JSON object that fits the schema.

    Raises:
        PipelineError: the file is missing or damaged; the message ends with the remedy, such as "run `dvc repro`".
    """
    try:
        values = json.loads(read_bounded(path, remedy))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; {remedy}") from None
    except (ValueError, RecursionError):
        raise PipelineError(f"{path} is damaged: it is not JSON; {remedy}") from None
    if not isinstance(values, dict):
        raise PipelineError(f"{path} is damaged: it is not a JSON object; {remedy}")
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise PipelineError(f"{path} is damaged: {first_problem(error)}; {remedy}") from None


def first_problem(error: ValidationError) -> str:
    """Describe the first of a schema's complaints, as a part of a line."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    match problem["type"]:
        case "missing":
            return f"it has no {key!r}"
        case "value_error":
            return str(problem["ctx"]["error"])
    return f"{key!r}: {problem['msg']}, got {shortened(problem['input'])}"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in their order, whole or not at all.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
