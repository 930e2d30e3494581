"""Values in the syntax of Hydra's overrides, for commands that messages advise."""

import json
import re
from collections.abc import Mapping
from typing import Any

YAML_WORDS = {"true", "false", "null", "nan", "inf"}
"""Words that mean something else without quotes."""
_PLAIN = re.compile(r"(?:[A-Za-z_/]|\.{1,2}/)[\w./-]*", re.ASCII)
"""Texts that need no quotes."""


def override_value(value: Any) -> str:
    """Format a value for an override, after the equals sign: `[1, a, "b c"]`."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {override_value(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(override_value, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _PLAIN.fullmatch(value) and value.lower() not in YAML_WORDS else _in_quotes(value)


def _in_quotes(text: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString  # the import takes long

    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)  # no interpolation
    return QuotedString(literal, Quote.double).with_quotes()
