"""Configurations compared key by key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.runtime.errors import PipelineError


def flatten(values: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Flatten nested mappings, joining their keys: `{"model": {"cell": "gru"}}` becomes `{"model.cell": "gru"}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}{separator}{rest}": inner for rest, inner in flatten(value, separator).items()}
        else:
            flat[key] = value
    return flat


def require_same(requested: Mapping[str, Any], recorded: Mapping[str, Any], folder: Path, remedy: str) -> None:
    """Refuse a folder that was made with another configuration than the requested one; files' fingerprints may differ.

    Args:
        requested: the sections that matter.
        recorded: the same sections, as the folder was made with.
        folder: named in the error.
        remedy: ends the error.

    Raises:
        PipelineError: they differ; names the first key that does.
    """
    wanted, present = flatten(requested), flatten(recorded)
    for key in wanted | present:
        if not key.endswith(".fingerprint") and wanted.get(key) != present.get(key):
            raise PipelineError(
                f"{key}: {_written(wanted.get(key))} is asked for, but {folder} was made with "
                f"{_written(present.get(key))}; {remedy}"
            )


def _written(value: Any) -> str:
    return "null" if value is None else repr(value)
