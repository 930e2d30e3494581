"""The files of conf/behaviour/: one for each capability, and a lexicon for all of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.behaviour.templates import Capability, Fillers, check
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE

FOLDER = WORKSPACE / "conf" / "behaviour"
LEXICON = "lexicon"
"""The file, beside those of the capabilities, whose slots all of them may use."""
UNIONS = {"str", "Pair", "list[str]", "dict[str,str]"}
"""What pydantic puts into the place of an error where a value may be of several kinds."""


def load_capabilities(folder: Path) -> dict[str, Capability]:
    """Read all files of a folder, by name and in the order of their names.

    Raises:
        PipelineError: there is none, or one of them is wrong.
    """
    lexicon = load_lexicon(folder)
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.stem != LEXICON and path.is_file()]
    if not paths:
        raise PipelineError(f"{folder} holds no templates (*.yaml); add some, or set evaluation.behaviour=false")
    for path in paths:
        if not re.fullmatch(r"[\w-]+", path.stem):
            raise PipelineError(f"{path}: a metric is named after the file; use letters, digits, _ and - only")
    return {path.stem: parse_capability(str(path), _read(path), lexicon) for path in paths}


def load_lexicon(folder: Path) -> dict[str, list[str]]:
    """The slots that every capability may use; none where there is no such file."""
    path = folder / f"{LEXICON}.yaml"
    values = _read(path) if path.is_file() else {}
    for slot, fillers in values.items():
        if not isinstance(fillers, list) or not all(isinstance(text, str) for text in (slot, *fillers)):
            raise PipelineError(f"{path}: {slot}: must be a list of texts; put quotes around yes, no and numbers")
    return values


def parse_capability(place: str, values: Mapping[str, Any], lexicon: Mapping[str, Fillers]) -> Capability:
    """A capability as a file describes it, with the slots of the lexicon beside its own.

    Raises:
        PipelineError: something is missing, unknown or does not go together; begins with `place`.
    """
    try:
        capability = Capability.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"] if part not in UNIONS)
        raise PipelineError(f"{place}: {key}: {problem['msg']}; docs/behaviour.md says what may stand there") from None
    check(place, capability)
    return capability.model_copy(update={"slots": {**lexicon, **capability.slots}})


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML leaves dates and numbers to Python
        raise PipelineError(f"{path} is not YAML: {' '.join(str(error).split())}; correct it") from None
    if not isinstance(values, dict):
        raise PipelineError(f"{path} holds no keys and values; docs/behaviour.md says what may stand there")
    return values
