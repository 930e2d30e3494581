"""Values in the syntax of Hydra's overrides, for commands that messages advise."""

import json
import re
from collections.abc import Mapping
from typing import Any

YAML_WORDS = {"true", "false", "null", "nan", "inf"}
"""Words that mean something else without quotes."""


def override_value(value: Any) -> str:
    """Return a value as an override has it after the equals sign: `[1, a, "b c"]`."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {override_value(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(override_value, value))}]"
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_./][\w./-]*", value, re.ASCII)
    return value if plain and value.lower() not in YAML_WORDS else json.dumps(value, ensure_ascii=False)
