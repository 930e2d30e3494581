"""Keys of the format of users' tables, as messages advise to state them."""

import shlex

from pipeline.config.override_value import override_value

UNSTATED = "…"
"""Value that a message leaves to the user."""


def option(key: str, value: str = UNSTATED) -> str:
    """Name a key of the format in a message, for the configuration and for `predict`, quoted as a shell needs it."""
    if value == UNSTATED:
        return f"corpus.format.{key}={value} (predict: --format {key}={value})"
    override, argument = f"corpus.format.{key}={override_value(value)}", f"{key}={value}"
    return f"{shlex.quote(override)} (predict: --format {shlex.quote(argument)})"
