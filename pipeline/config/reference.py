"""Groups, choices and keys of the configuration with their meanings, for the comments in conf/, `--help` and the docs.

A key's meaning is its docstring in the schema, a choice's the comment at the top of its file.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.schema import Config
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF
from pipeline.runtime.suggestion import did_you_mean

GROUPS_ACROSS_SECTIONS = {
    "experiment": "Recipe that overrides several groups.",
    "sweep": "Search over keys and groups, for `python -m pipeline.train -m`.",
    "hydra/launcher": "Launcher of a sweep's trials, beside Hydra's own basic, joblib and submitit_local.",
}
"""Meaning of the groups whose files set keys of other sections."""
LINE_WIDTH = 120

KeySchema = Mapping[str, Any]
"""A JSON schema, as pydantic writes it."""


@dataclass(frozen=True)
class Key:
    """A key or section of the configuration."""

    name: str
    """With the sections it lies in: `training.lr`."""
    meaning: str
    allowed: str
    """Allowed values in words; empty for a section."""
    only_with: str
    """Kind of section that has the key, such as `kind=files`; empty where every kind has it."""

    @property
    def text(self) -> str:
        """Meaning, and allowed values in brackets."""
        return f"{self.meaning} [{self.allowed}]" if self.allowed else self.meaning


@dataclass(frozen=True)
class Choice:
    """A file of a group."""

    name: str
    """Name by which it is chosen: `memory/lstm`."""
    summary: str
    """The comment at the top of the file, as one line."""


@cache
def all_keys() -> dict[str, Key]:
    """Return every key that a user may set, by name, in the order of the schema; a section stands before its keys."""
    schema = Config.model_json_schema()
    return {
        key.name: key
        for name, node in schema["properties"].items()
        for key in _walk(name, node, schema["$defs"], only_with="")
    }


def meant_key(name: str, besides: Iterable[str] = ()) -> str:
    """Return `did_you_mean` for an unknown key: one of the same name in another section, else the most similar one.

    Args:
        name: the key, with the sections it was looked for in.
        besides: names of groups that may be meant, too.
    """
    same = [key for key in all_keys() if key.rpartition(".")[2] == name.rpartition(".")[2]]
    return did_you_mean(name, same, 0) if same else did_you_mean(name, [*all_keys(), *besides])


def problem_of_override(name: str, value: str, conf: Path = CONF) -> str | None:
    """Return what is wrong with the names in an override such as `model=gru` or `training.lr=1e-3`; None if nothing is.

    Args:
        name: group or key.
        value: choice or value; only the former is looked at.
        conf: folder of the groups.
    """
    if name in groups(conf):
        names = [choice.name for choice in choices(name, conf)]
        if re.fullmatch(r"[\w/]+", value) and value not in (*names, "null"):
            return f"{name}={value}: there is no such choice, but {', '.join(names)}{did_you_mean(value, names)}"
        return None
    ancestors = list(accumulate(name.split("."), "{}.{}".format))
    named_by_users = any(
        f"{key}.NAME" in all_keys() or (key in all_keys() and "mapping" in all_keys()[key].allowed) for key in ancestors
    )
    if name in all_keys() or named_by_users or ancestors[0] == "hydra":
        return None
    return f"{name}: unknown key or group, docs/configuration.md lists them{meant_key(name, groups(conf))}"


def keys_of(group: str) -> list[Key]:
    """List the keys that a group or a section of conf/config.yaml sets, without those of a group below it."""
    section = group.replace("/", ".")
    below = tuple(f"{other.replace('/', '.')}." for other in groups() if other.startswith(f"{group}/"))
    return [
        key
        for name, key in all_keys().items()
        if (name == section and key.allowed) or (name.startswith(f"{section}.") and not name.startswith(below))
    ]


@cache
def default_choices(conf: Path = CONF) -> Mapping[str, Any]:
    """Return the default choice of each group in conf/config.yaml, in its order; None for no choice."""
    defaults = yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return {group: choice for entry in defaults if isinstance(entry, dict) for group, choice in entry.items()}


@cache
def groups(conf: Path = CONF) -> tuple[str, ...]:
    """List the groups in the order of the defaults, then Hydra's own."""
    return (
        *default_choices(conf),
        *(folder.relative_to(conf).as_posix() for folder in sorted((conf / "hydra").glob("*/"))),
    )


def group_of(path: Path, conf: Path = CONF) -> str:
    """Return the group that a file of conf/ is a choice of; empty for conf/config.yaml.

    A folder that is no group itself holds further choices of the group above it.
    """
    folders = [parent.as_posix() for parent in path.relative_to(conf).parents]
    return next((folder for folder in folders if folder in groups(conf)), "")


def choices(group: str, conf: Path = CONF) -> list[Choice]:
    """List the choices of a group."""
    return [
        Choice(path.relative_to(conf / group).with_suffix("").as_posix(), _summary(path.read_text(encoding="utf-8")))
        for path in sorted((conf / group).rglob("*.yaml"))
        if group_of(path, conf) == group
    ]


def sections() -> list[str]:
    """List the groups, and the sections that conf/config.yaml itself sets."""
    return list(dict.fromkeys([*groups(), *(name for name in all_keys() if "." not in name)]))


def group_meaning(group: str) -> str:
    """Return what the files of a group set."""
    return GROUPS_ACROSS_SECTIONS.get(group) or all_keys()[group.replace("/", ".")].meaning


def configuration_help() -> str:
    """Return the groups and sections, the former with their choices, for `--help`."""
    blocks = ["groups and sections; `python -m pipeline.train --help NAME` lists the keys of one:"]
    return "\n\n".join([*blocks, *map(_section_help, sections())])


def keys_help(name: str) -> str:
    """Return what there is under a name, for `--help NAME`.

    Args:
        name: a group or section: its choices and keys are returned; else a key or a part of one, such as `dropout`:
            all keys with it.

    Raises:
        PipelineError: nothing is named so.
    """
    if name in sections():
        return "\n".join([_section_help(name), *map(_key_help, keys_of(name))])
    keys = [key for key in all_keys().values() if name in key.name and key.allowed]
    if not keys:
        raise PipelineError(f"{name}: unknown key or group, --help lists the groups{meant_key(name, groups())}")
    return "\n".join(map(_key_help, keys))


def first_sentence(text: str) -> str:
    """Return the first sentence of a text."""
    return re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]


def header(text: str) -> list[str]:
    """Return the lines of the comment at the top of a file."""
    lines = text.splitlines()
    return lines[: next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))]


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines, but not within brackets."""
    kept = re.sub(r"\[[^]]*\]", lambda match: match[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(kept, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def _summary(text: str) -> str:
    lines = (line.lstrip("# ") for line in header(text))
    return " ".join(line for line in lines if not line.startswith("@package"))


def _section_help(name: str) -> str:
    lines = wrap(f"{name}: {group_meaning(name)}", LINE_WIDTH)
    return "\n".join(
        [*lines, *(_item(f"{name}={choice.name}", first_sentence(choice.summary)) for choice in choices(name))]
    )


def _key_help(key: Key) -> str:
    return _item(key.name, f"{key.text} ({key.only_with})" if key.only_with else key.text)


def _item(name: str, text: str) -> str:
    indent = " " * 36
    lines = f"\n{indent}".join(wrap(text, LINE_WIDTH - len(indent)))
    return f"  {name}\n{indent}{lines}" if len(name) > 32 else f"  {name:<34}{lines}"


def _walk(name: str, node: KeySchema, definitions: KeySchema, only_with: str) -> Iterator[Key]:
    body = next((option for option in node.get("anyOf", []) if option.get("type") != "null"), node)
    sections = list(_sections(body, definitions))
    meaning = node.get("description") or next((section.get("description", "") for _, section in sections), "")
    yield Key(name, " ".join(meaning.split()), _allowed(node), only_with)
    kind_key = body.get("discriminator", {}).get("propertyName")
    variants: dict[str, dict[str, KeySchema]] = {} if kind_key is None else {kind_key: {}}  # of each key, by kind
    for kind, section in sections:
        for child, value in section["properties"].items():
            variants.setdefault(child, {})[kind] = value
    for child, by_kind in variants.items():
        value = next(iter(by_kind.values()))
        if child == kind_key:
            value = {**value, "enum": list(by_kind)}
        everywhere = len(by_kind) == len(sections)
        kinds = only_with if everywhere else f"{kind_key}={' or '.join(by_kind)}"
        yield from _walk(f"{name}.{child}", value, definitions, kinds)


def _sections(node: KeySchema, definitions: KeySchema) -> Iterator[tuple[str, KeySchema]]:
    """Yield the schemas of the section that a value may be, with their kinds."""
    if "$ref" in node:
        yield "", definitions[node["$ref"].rpartition("/")[2]]
    for kind, reference in node.get("discriminator", {}).get("mapping", {}).items():
        yield kind, definitions[reference.rpartition("/")[2]]
    if isinstance(node.get("additionalProperties"), dict):
        yield "", {"properties": {"NAME": node["additionalProperties"]}}


def _allowed(node: KeySchema) -> str:
    """Describe the values that a schema allows; empty for a section."""
    if "anyOf" in node:
        options = [_allowed(option) for option in node["anyOf"]]
        return " or ".join(options) if all(options) else ""
    if values := node.get("enum", [node["const"]] if "const" in node else []):
        *others, last = map(str, values)
        return f"{', '.join(others)} or {last}" if others else last
    kind = node.get("type", "")
    if kind in ("integer", "number"):
        return f"{kind} {_range(node)}".strip()
    if kind == "array":
        return "list" if "anyOf" in node["items"] else f"list, each {_allowed(node['items'])}"
    if kind == "object" and "additionalProperties" not in node:
        return "mapping"
    return {"null": "null", "boolean": "true or false", "string": "text"}.get(kind, "")


def _range(node: KeySchema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    below = node.get("exclusiveMaximum")
    if below is not None and node["type"] == "integer":
        high, below = below - 1, None
    if "exclusiveMinimum" in node:
        low = f"above {_number(node['exclusiveMinimum'])}"
    elif low is not None and high is not None:
        return f"from {_number(low)} to {_number(high)}"
    elif low is not None:
        low = f"at least {_number(low)}"
    high = f"below {_number(below)}" if below is not None else high and f"at most {_number(high)}"
    return " and ".join(filter(None, [low, high]))


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
