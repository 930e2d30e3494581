"""The page docs/configuration.md: every group, choice and key, with its default and the stages that it reruns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir

from pipeline.config.composition import compose_config
from pipeline.config.reference import (
    GROUPS_ACROSS_SECTIONS,
    Key,
    all_keys,
    choices,
    default_choices,
    group_meaning,
    groups,
    keys_of,
    sections,
)
from pipeline.runtime.paths import CONF, WORKSPACE

INTRODUCTION = """\
# Configuration

Every group of files, and every key, that you can choose or set. This page and the comments in `conf/` are written by
`python -m pipeline.config`, from the schema in `pipeline/config/`.

    dvc exp run -S model=gru -S training.lr=1e-3    # another file of a group, another value of a key: once
    python -m pipeline.train -m training.lr=1e-3,3e-3    # in trials beside the pipeline
    python -m pipeline.train --cfg job model=gru    # show the resolved configuration

To change a default, edit the file in `conf/`, or the `defaults` of `conf/config.yaml`. Edits of `params.yaml` are lost:
`dvc repro` lists the edits that it overwrites; `dvc exp run` cannot, because DVC has rewritten the file by then.

"Reruns" names the stages that `dvc repro` runs again when the key changes; later stages follow if what they read has
changed. Blank, or "nothing": none.

Defaults are those of the default configuration. Keys that it does not have are in tables of their own, with the values
of the choice that is named there.
"""
CHECKSUM = re.compile(r"((?:md5|sha256):[0-9a-f]{8})[0-9a-f]+")
"""A checksum, and how much of it a default shows."""


@dataclass(frozen=True)
class Row:
    """A row of a table of keys."""

    cells: tuple[str, ...]
    """Key, default, meaning and allowed values."""
    reruns: str
    kind: str
    """Kind of section that has the key; empty where every kind does."""
    choice: str
    """Choice that the default is from; empty for the default configuration, or if there is no default."""


def page() -> str:
    """Return the text of the page, in Markdown."""
    ungrouped = [name for name in sections() if not choices(name)]
    chosen = [name for name in sections() if name not in ungrouped]
    tops = list(dict.fromkeys(name.partition("/")[0] for name in chosen))
    chosen.sort(key=lambda name: (tops.index(name.partition("/")[0]), "/" in name))  # a group before those below it
    return "".join([INTRODUCTION, *map(_group, chosen), _ungrouped(ungrouped)])


def _group(name: str) -> str:
    default = _composed_choices("").get(name)
    lines = ["", f"## `{name}`", "", group_meaning(name), "", "| choice | |", "|---|---|"]
    for choice in choices(name):
        mark = " (default)" if choice.name == default else ""
        default_with = "" if choice.name == default == default_choices().get(name) else _default_with(name, choice.name)
        lines.append(f"| `{name}={choice.name}`{mark} | {_cell(choice.summary + default_with)} |")
    return "\n".join([*lines, *_tables(name, _key_rows(name))]) + "\n"


def _ungrouped(names: Iterable[str]) -> str:
    """Return the keys of sections without a group in one table; conf/config.yaml sets them."""
    rows = []
    for name in names:
        keys = [all_keys()[name], *keys_of(name)]
        rows += [_row(key, name, "") for key in dict.fromkeys(keys)]
    title = " and ".join(f"`{name}`" for name in names)
    return "\n".join(["", f"## {title}", "", "Sections of `conf/config.yaml` itself.", *_tables("", rows)]) + "\n"


def _default_with(group: str, choice: str) -> str:
    """Name the choices of other groups with which this one is the default, if one of those groups overrides it."""
    named = []
    for other in groups():
        texts = [(CONF / other / f"{each.name}.yaml").read_text(encoding="utf-8") for each in choices(other)]
        if other not in GROUPS_ACROSS_SECTIONS and any(re.search(f"- override /{group}[@:]", text) for text in texts):
            overrides = [f"{other}={each.name}" for each in choices(other)]
            named += [f"`{override}`" for override in overrides if _composed_choices(override).get(group) == choice]
    return f" Default with {', '.join(named)}." if named else ""


def _key_rows(group: str) -> list[Row]:
    rows: list[Row] = []
    repeats = set()
    for key in keys_of(group):
        repeat = next((name for name in repeated_sections() if key.name.startswith(f"{name}.")), None)
        if repeat is None:
            rows += [_row(key, group, kind) for kind in _kinds(key)]
        elif repeat not in repeats:
            repeats.add(repeat)
            rows.append(_row_of_repeat(repeat, group))
    return rows


def _row(key: Key, group: str, kind: str) -> Row:
    default, choice = _default(key, group, kind)
    cells = (f"`{key.name}`", default, key.meaning, key.allowed)
    return Row(cells, ", ".join(stages_reading(key.name)), kind, choice)


def _row_of_repeat(section: str, group: str) -> Row:
    """Return the one row for the keys of a section that has those of another section."""
    original, kind = repeated_sections()[section]
    keys, theirs = _keys_in(section), _keys_in(original)
    differing = []
    for name, key in keys.items():
        default, _ = _default(key, group, "")
        if default != _default(theirs[name], original.partition(".")[0], kind)[0]:
            differing.append(f"`{name}`: {default}")
    meaning = f"As `{original}.KEY`{f' with `{kind}`' if kind else ''}."
    if any(name not in keys for name, key in theirs.items() if kind in _kinds(key) or not key.only_with):
        meaning += f" KEY is one of {', '.join(keys)}."
    default = f"as there, but {'; '.join(differing)}" if differing else "as there"
    cells = (f"`{section}.KEY`", default, meaning, "as there")
    return Row(cells, ", ".join(stages_reading(section)), "", "")


@cache
def repeated_sections() -> dict[str, tuple[str, str]]:
    """Return the sections whose keys another section has, too, with that one and the kind of it that has them all.

    Of two sections with the same keys, the one that lies less deep is the original.
    """
    names = [key.name for key in all_keys().values() if not key.allowed and ".NAME" not in key.name]
    names.sort(key=lambda name: name.count("."))
    repeated: dict[str, tuple[str, str]] = {}
    for name in names:
        keys = _keys_in(name)
        for other in names:
            theirs = _keys_in(other)
            if other.count(".") < name.count(".") and all(n in theirs and _same(keys[n], theirs[n]) for n in keys):
                kinds = [set(_kinds(theirs[n])) for n in keys if theirs[n].only_with]
                repeated.setdefault(name, (other, min(set.intersection(*kinds)) if kinds else ""))
    return repeated


def _keys_in(section: str) -> dict[str, Key]:
    """Return the keys of a section by their names within it."""
    start = f"{section}."
    return {name.removeprefix(start): key for name, key in all_keys().items() if name.startswith(start)}


def _same(key: Key, other: Key) -> bool:
    """Return whether a key means what another does, and allows one or all of its values."""
    return key.meaning == other.meaning and key.allowed in (other.allowed, *re.split(", | or ", other.allowed))


def _kinds(key: Key) -> list[str]:
    """List the kinds of section that have a key, such as `kind=files`; one empty text where every kind does."""
    name, _, kinds = key.only_with.partition("=")
    return [f"{name}={kind}" for kind in kinds.split(" or ")] if kinds else [""]


def _tables(group: str, rows: list[Row]) -> list[str]:
    """Return a table of the keys that the default configuration has, and one for each kind and choice of others."""
    reruns = {row.reruns for row in rows}
    lines = ["", _reruns(*reruns)] if len(reruns) == 1 else []
    blocks = _blocks(rows)
    for (kind, choice), block in blocks.items():
        if kind:
            lines += ["", f"### `{group}` with `{kind}`"]
        elif choice and len(blocks) > 1:
            lines += ["", f"### Keys of `{choice}`"]
        if choice:
            lines += ["", f"Not in the default configuration; the values are those of `{choice}`."]
        varying = len({row.reruns for row in block}) > 1
        if len(reruns) > 1 and not varying:
            lines += ["", _reruns(block[0].reruns)]
        lines += ["", f"| key | default | meaning | values |{' reruns |' * varying}", f"|{'---|' * (4 + varying)}"]
        for row in block:
            cells = [*row.cells, row.reruns] if varying else row.cells
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return lines


def _blocks(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows by the kind that has them and the choice that their defaults are from, as few as there can be."""
    choice_of_kind: dict[str, str] = {}
    for row in rows:
        if row.kind:
            choice_of_kind[row.kind] = choice_of_kind.get(row.kind) or row.choice
    blocks: dict[tuple[str, str], list[Row]] = {("", ""): []} if any(not (r.kind or r.choice) for r in rows) else {}
    for row in rows:
        blocks.setdefault((row.kind, choice_of_kind.get(row.kind, row.choice)), []).append(row)
    return blocks


def _reruns(stages: str) -> str:
    return f"Reruns: {stages or 'nothing'}."


def _default(key: Key, group: str, kind: str) -> tuple[str, str]:
    """Return the default of a key, and the choice that it is from, empty for the default configuration.

    Both are empty if there is none.
    """
    if not key.allowed or ".NAME." in key.name:
        return "", ""
    candidates = [f"{group}={choice.name}" for choice in choices(group)] if group in default_choices() else []
    candidates.sort(key=lambda override: not _sets(override, key.name))
    for override in ("", *candidates):
        composed = _composed(override)
        if kind and not _is_of_kind(composed, group, kind):
            continue
        try:
            value = _value(composed, key.name)
        except (KeyError, TypeError):  # this choice does not have it
            continue
        if override and _decides_on_keys(key):
            return "", ""  # each choice has its own
        text = CHECKSUM.sub(r"\1…", yaml.safe_dump([value], default_flow_style=True, width=1000).strip()[1:-1])
        return f"`{text}`", override
    return "", ""


def _value(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def _is_of_kind(composed: Mapping[str, Any], group: str, kind: str) -> bool:
    name, _, wanted = kind.partition("=")
    section = _value(composed, group.replace("/", "."))
    return isinstance(section, Mapping) and section.get(name) == wanted


def _sets(override: str, key: str) -> bool:
    """Return whether the file of a choice sets a key itself, not by a file that it includes."""
    group, _, choice = override.partition("=")
    values = _parsed(CONF / group / f"{choice}.yaml")
    try:
        _value(values, key.removeprefix(f"{group.replace('/', '.')}."))
    except (KeyError, TypeError):
        return False
    return True


def _decides_on_keys(key: Key) -> bool:
    """Return whether a key decides the kind of its section."""
    section, _, name = key.name.rpartition(".")
    return any(other.only_with.startswith(f"{name}=") for other in _keys_in(section).values())


def stages_reading(key: str) -> list[str]:
    """List the stages of dvc.yaml that a change of a key reruns."""
    return [
        name
        for name, stage in _parsed(WORKSPACE / "dvc.yaml")["stages"].items()
        if any(
            isinstance(param, str) and (f"{key}.".startswith(f"{param}.") or f"{param}.".startswith(f"{key}."))
            for param in stage.get("params", [])  # beside names of keys, files with theirs
        )
    ]


@cache
def _parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def _composed(override: str) -> Mapping[str, Any]:
    return compose_config([override] if override else [])


@cache
def _composed_choices(override: str) -> Mapping[str, Any]:
    """Return the choice of each group that Hydra composes, the overrides of chosen files included."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", [override] if override else [], return_hydra_config=True)
    return dict(composed.hydra.runtime.choices)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
