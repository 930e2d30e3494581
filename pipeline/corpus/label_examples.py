"""Examples of the overrides that state labels, for messages about labels that leave doubt."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from pipeline.config.corpus import MAX_CLASSES
from pipeline.config.labels import LABELS
from pipeline.config.override_value import YAML_WORDS, override_value
from pipeline.tables.labels import finite_number, is_shortest_number

VALUE_LENGTH = 30
"""Characters of a value that a message shows."""
MAX_LISTED = 3
"""Different numbers that an example lists; more are compared."""
MAX_IGNORED = 20
"""Values to leave out that an override lists."""
NAMES = (("neg", "pos"), ("negative", "positive"))
"""Names of the classes that leave no doubt."""
MISSING_WORDS = ("na", "n/a", "#n/a", "none", "null", "-", "?")
"""Values that an example leaves out: other programs write them for a missing label."""


def example_overrides(spellings: Mapping[str, str]) -> list[str]:
    """Return overrides that state the labels, to be corrected by the user; none if the values look like no labels.

    Args:
        spellings: the normalised values that there are, that of a missing label being empty, and how each is spelled.
    """
    values = [value for value in spellings if value]
    present = [value for value in values if value not in MISSING_WORDS]
    values = present if len(present) > 1 else values
    numbers = {value: number for value in values if (number := finite_number(value)) is not None}
    numeric = len({*numbers.values()}) == len(values)
    ordered = sorted(values, key=numbers.__getitem__) if numeric else sorted(values)
    if not numeric and (len(values) > MAX_CLASSES or any(len(value) > VALUE_LENGTH for value in values)):
        return []
    classes = _example_classes(ordered, numeric)
    texts = {name: value_list(spellings, named) for name, named in classes.items()}
    if numeric and len(ordered) > MAX_LISTED:
        texts = {"negative": f"'<={Decimal(classes['negative'][-1]):f}'"}
        texts |= {"positive": f"'>={Decimal(classes['positive'][0]):f}'"}
    override = f"corpus.labels={{{', '.join(f'{name}: {text}' for name, text in texts.items())}}}"
    stated = {value for named in classes.values() for value in named}
    ignored = [value for value in [*ordered, *MISSING_WORDS, ""] if value in spellings and value not in stated]
    return [f"-S {shell_quoted(override)}", *([ignoring_override(spellings, ignored)] if ignored else [])]


def _example_classes(ordered: Sequence[str], numeric: bool) -> dict[str, Sequence[str]]:
    """Return the values of each class of an example: of three numbers and of words, each value is a class.

    Words name their classes themselves, or where an override cannot hold them, numbers do: an example that took one of
    two for negative would be copied although it is the other.
    """
    if numeric:
        half = max(1, len(ordered) // 2)
        middle = {"neutral": ordered[1:2]} if len(ordered) == MAX_LISTED else {}
        return {"negative": ordered[:half], **middle, "positive": ordered[-half:]}
    alike = [[value for value in ordered if value.startswith(name)] for name in NAMES[0]]
    if all(alike) and sum(map(len, alike)) == len(ordered):
        return dict(zip(LABELS, alike, strict=True))
    names = [re.sub(r"\W+", "_", value, flags=re.ASCII).strip("_") for value in ordered]
    # a name such as 1_5 is the number 15 to Hydra and YAML
    names = [f"class_{name}" if name[:1].isdigit() else name for name in names]
    if len({*names}) < len(names) or {"", *YAML_WORDS} & {*names}:
        names = [f"class_{number}" for number in range(1, len(ordered) + 1)]
    return {name: [value] for name, value in zip(names, ordered, strict=True)}


def ignoring_override(spellings: Mapping[str, str], values: Sequence[str]) -> str:
    """Return the override that leaves values out; for many of them, the key alone.

    Args:
        spellings: as `example_overrides` has them.
        values: normalised values.
    """
    if len(values) > MAX_IGNORED:
        return "corpus.ignore_labels, a list or a comparison such as '>4 <7'"
    return f"-S {shell_quoted(f'corpus.ignore_labels={value_list(spellings, sorted(values))}')}"


def value_list(spellings: Mapping[str, str], values: Iterable[str]) -> str:
    """Return values as a list in the syntax of Hydra's overrides, which is also YAML.

    Args:
        spellings: as `example_overrides` has them.
        values: normalised values.
    """
    return f"[{', '.join(_literal(value, spellings[value]) for value in values)}]"


def _literal(value: str, spelling: str) -> str:
    if not value:
        return "null"
    if is_shortest_number(value):
        return value
    return override_value(spelling)


def shell_quoted(override: str) -> str:
    """Quote an override for the shell, in double quotes where the override itself has single ones."""
    return f'"{override}"' if "'" in override and not re.search(r'["$`\\!]', override) else shlex.quote(override)
