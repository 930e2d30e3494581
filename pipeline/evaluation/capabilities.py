"""The files of conf/behaviour/: one for each capability, and a lexicon for all of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.errors import PipelineError
from pipeline.evaluation.templates import EXPECTATIONS, Capability, Fillers, Pair, slots_of

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
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.stem != LEXICON]
    if not paths:
        raise PipelineError(f"{folder} holds no templates (*.yaml); add some, or set evaluation.behaviour=false")
    return {path.stem: _capability(path, lexicon) for path in paths}


def load_lexicon(folder: Path) -> dict[str, list[str]]:
    """The slots that every capability may use; none where there is no such file."""
    path = folder / f"{LEXICON}.yaml"
    values = _read(path) if path.exists() else {}
    for slot, fillers in values.items():
        if not isinstance(fillers, list) or not all(isinstance(filler, str) for filler in fillers):
            raise PipelineError(f"{path}: {slot}: must be a list of texts; put quotes around yes, no and numbers")
    return values


def _capability(path: Path, lexicon: Mapping[str, Fillers]) -> Capability:
    try:
        capability = Capability.model_validate(_read(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(
            str(part) for part in problem["loc"] if part not in {"str", "Pair", "list[str]", "dict[str,str]"}
        )
        raise PipelineError(f"{path}: {key}: {problem['msg']}; docs/behaviour.md says what a file holds") from None
    _check(path, capability)
    return capability.model_copy(update={"slots": {**lexicon, **capability.slots}})


def _check(path: Path, capability: Capability) -> None:
    compares = capability.test != "minimum functionality"
    used = {
        slot for group in capability.groups for template in group.templates for slot in slots_of(path.stem, template)
    }
    if unused := sorted(capability.slots.keys() - used):
        raise PipelineError(f"{path}: no template has the slot {{{unused[0]}}}; use it, or take it out")
    pairs = {slot for slot, fillers in capability.slots.items() if isinstance(fillers, dict)}
    if capability.tolerance and capability.test != "direction":
        raise PipelineError(f"{path}: tolerance: only a test of direction has one; take it out")
    for group in capability.groups:
        if group.expect not in EXPECTATIONS[capability.test]:
            allowed = " or ".join(EXPECTATIONS[capability.test])
            raise PipelineError(f"{path}: a test of {capability.test} expects {allowed}, not {group.expect}")
        for template in group.templates:
            changes = isinstance(template, Pair) or bool(pairs.intersection(slots_of(path.stem, template)))
            if changes and not compares:
                raise PipelineError(f"{path}: {template!r} changes, but minimum functionality is of one text")
            if compares and not changes:
                raise PipelineError(f"{path}: nothing changes in {template!r}; write original: and changed:")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} is not YAML: {' '.join(str(error).split())}; correct it") from None
    if not isinstance(values, dict):
        raise PipelineError(f"{path} holds no keys and values; docs/behaviour.md says what a file holds")
    return values
