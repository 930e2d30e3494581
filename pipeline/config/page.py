"""The page docs/configuration.md: every group, choice and key, with its default and the stages it reruns."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from pipeline.config.composition import compose_config
from pipeline.config.reference import Key, choices, default_choices, group_meaning, keys_of, sections
from pipeline.runtime.paths import WORKSPACE

INTRODUCTION = """\
# Configuration

Every group of files, and every key, that you can choose or set. This page and the comments in `conf/` are written by
`python -m pipeline.config`, from the schema in `pipeline/config/`.

    dvc exp run -S model=gru -S training.lr=1e-3    # another file of a group, another value of a key: once
    python -m pipeline.train -m training.lr=1e-3,3e-3    # in trials beside the pipeline
    python -m pipeline.train --cfg job model=gru    # show what it comes to

For good, edit the file in `conf/`, or the `defaults` of `conf/config.yaml`. Edits of `params.yaml`
are lost: `dvc repro` names the values that it takes back, `dvc exp run` cannot, because DVC rewrites the file first.

"Reruns" names the stages that read a key; the stages after them run again where what they read has changed. A default
with a choice in brackets is that choice's: the default choice does not have the key.
"""


def page() -> str:
    """Return the text of the page, in Markdown."""
    return INTRODUCTION + "".join(_section(name) for name in sections())


def _section(name: str) -> str:
    lines = ["", f"## `{name}`", "", group_meaning(name)]
    if listed := choices(name):
        default = default_choices().get(name)
        lines += ["", "| choice | |", "|---|---|"]
        lines += [
            f"| `{name}={choice.name}`{' (default)' if choice.name == default else ''} | {_cell(choice.summary)} |"
            for choice in listed
        ]
    if keys := keys_of(name):
        lines += ["", "| key | default | meaning | values | reruns |", "|---|---|---|---|---|"]
        lines += [_row(key, name) for key in keys]
    return "\n".join(lines) + "\n"


def _row(key: Key, group: str) -> str:
    meaning = f"{key.meaning} Only with `{key.only_with}`." if key.only_with else key.meaning
    cells = [f"`{key.name}`", _default(key, group), meaning, key.allowed, ", ".join(stages_reading(key.name))]
    return f"| {' | '.join(map(_cell, cells))} |"


def _default(key: Key, group: str) -> str:
    """Return the value of a key, with the choice that it comes from where that is not the default."""
    if not key.allowed or ".NAME." in key.name:
        return ""
    candidates = [f"{group}={choice.name}" for choice in choices(group)] if group in default_choices() else []
    for override in ("", *candidates):
        try:
            value: Any = _composed(override)
            for part in key.name.split("."):
                value = value[part]
        except (KeyError, TypeError):  # this choice does not have it
            continue
        shown = f"`{yaml.safe_dump([value], default_flow_style=True, width=1000).strip()[1:-1]}`"
        return f"{shown} (`{override}`)" if override else shown
    return ""


def stages_reading(key: str) -> list[str]:
    """List the stages of dvc.yaml that a change of a key reruns."""
    stages = yaml.safe_load((WORKSPACE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [
        name
        for name, stage in stages.items()
        if any(
            isinstance(param, str) and (f"{key}.".startswith(f"{param}.") or f"{param}.".startswith(f"{key}."))
            for param in stage.get("params", [])  # beside names of keys, files with theirs
        )
    ]


@cache
def _composed(override: str) -> Mapping[str, Any]:
    return compose_config([override] if override else [])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
