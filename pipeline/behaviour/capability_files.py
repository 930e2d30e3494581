"""Read the files of behaviour_suite/: one for each capability, and a lexicon for all of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.behaviour.templates import Capability, Fillers, check_capability
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE

SUITE_FOLDER = WORKSPACE / "behaviour_suite"
LEXICON = "lexicon"
"""Name of the file whose slots all capabilities may use."""
UNIONS = {"str", "TextPair", "list[str]", "dict[str,str]"}
"""Names that pydantic adds to the location of an error if a value may have several types."""


def load_capabilities(folder: Path) -> dict[str, Capability]:
    """Read all capabilities of a folder, by name and in the order of their names.

    Raises:
        PipelineError: the folder has none, or a file is wrong.
    """
    lexicon = load_lexicon(folder)
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.stem != LEXICON and path.is_file()]
    if not paths:
        raise PipelineError(f"{folder} has no templates (*.yaml); add some, or set evaluation.behaviour=false")
    for path in paths:
        if not re.fullmatch(r"[\w-]+", path.stem):
            raise PipelineError(f"{path}: a metric is named after the file; use letters, digits, _ and - only")
    return {path.stem: parse_capability(str(path), _read_yaml(path), lexicon) for path in paths}


def load_lexicon(folder: Path) -> dict[str, list[str]]:
    """Read the slots that every capability may use; none if the folder has no lexicon.

    Raises:
        PipelineError: the file is wrong.
    """
    path = folder / f"{LEXICON}.yaml"
    values = _read_yaml(path) if path.is_file() else {}
    for slot, fillers in values.items():
        if not isinstance(fillers, list) or not all(isinstance(text, str) for text in (slot, *fillers)):
            raise PipelineError(f"{path}: {slot}: must be a list of texts; put quotes around yes, no and numbers")
    return values


def parse_capability(place: str, values: Mapping[str, Any], lexicon: Mapping[str, Fillers]) -> Capability:
    """Check the values of a file, and add the slots of the lexicon.

    Raises:
        PipelineError: a value is missing, unknown or does not fit the others; the message begins with `place`.
    """
    try:
        capability = Capability.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"] if part not in UNIONS)
        raise PipelineError(f"{place}: {key}: {problem['msg']}; docs/behaviour.md lists the keys") from None
    check_capability(place, capability)
    return capability.model_copy(update={"slots": {**lexicon, **capability.slots}})


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that Python refuses
        raise PipelineError(f"{path} is not YAML: {' '.join(str(error).split())}; correct it") from None
    if not isinstance(values, dict):
        raise PipelineError(f"{path} has no keys and values; docs/behaviour.md lists the keys")
    return values
