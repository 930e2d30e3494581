"""Comments in the files of conf/: above every key, its meaning and allowed values from the schema.

A comment line above a key is generated; the comment at the top of a file, comments behind values, and those above keys
that the schema does not know, which are Hydra's own, are written by hand and stay.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from pipeline.config.reference import GROUPS_ACROSS_SECTIONS, LINE_WIDTH, all_keys, group_of, header, wrap
from pipeline.runtime.errors import PipelineError

DIRECTIVE = "defaults"
"""Top-level key that directs Hydra and sets nothing."""
SEARCHED = "hydra.sweeper.params."
"""Begins the keys that are named after the keys and groups a sweep searches."""
PACKAGE = "# @package "


def commented(text: str, path: Path, conf: Path) -> str:
    """Return the text of a file of conf/ with its generated comments renewed.

    Args:
        text: YAML.
        path: of the file.
        conf: the folder conf/.

    Raises:
        PipelineError: the file does not begin with a comment, or a key is neither in the schema nor commented by hand.
    """
    top = header(text)
    if not top:
        raise PipelineError(f"{path}: begin it with a comment that says what the file is for")
    lines = text.splitlines()
    package = next((line.removeprefix(PACKAGE) for line in top if line.startswith(PACKAGE)), None)
    if package is None:
        package = group_of(path, conf).replace("/", ".")
    document = yaml.compose(text)
    for key, number, indent in reversed(list(_yaml_keys(document, package.removeprefix("_global_")))):
        start = number
        while start > len(top) and lines[start - 1].lstrip().startswith("#"):
            start -= 1
        if comment := _comment(key, indent):
            lines[start:number] = comment
        elif start == number:
            raise PipelineError(f"{path}: {key} is not in the schema; correct it, or explain it in a comment above it")
    if len(lines) > len(top) and lines[len(top)]:
        lines.insert(len(top), "")  # or the comment at the top would pass for the first key's
    return "\n".join(lines) + "\n"


def _yaml_keys(node: yaml.Node | None, section: str) -> Iterator[tuple[str, int, int]]:
    """Yield the keys of a mapping with their lines and indents; not those that stand on the line of another."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return
    for name, value in node.value:
        number, indent = name.start_mark.line, name.start_mark.column
        if name.value == DIRECTIVE and indent == 0:
            continue
        key = f"{section}.{name.value}".removeprefix(".")
        yield key, number, indent
        if f"{key}.NAME" not in all_keys():
            yield from _yaml_keys(value, key)


def _comment(key: str, indent: int) -> list[str]:
    searched = key.removeprefix(SEARCHED)
    known = all_keys().get(searched)
    text = known.text if known else GROUPS_ACROSS_SECTIONS.get(searched, "") if searched != key else ""
    named = [entry for name, entry in all_keys().items() if name.startswith(f"{key}.NAME.")]
    return [
        f"{' ' * indent}# {line}"
        for part in [text, *(f"  {entry.name.rpartition('.')[2]}: {entry.text}" for entry in named)]
        for line in wrap(part, LINE_WIDTH - indent - 2)
    ]
