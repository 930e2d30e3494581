"""Keys of the format of users' tables, as messages advise to state them."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipeline.config.override_value import override_value

UNSTATED = "…"
"""Value that a message leaves to the user."""

_OF_COMMAND: ContextVar[bool] = ContextVar("of_command", default=False)
"""The file was given to a command, which reads no key of the configuration."""


@contextmanager
def advice_for_command() -> Iterator[None]:
    """Let messages about files that are read in the block name keys of the format as options of a command alone."""
    token = _OF_COMMAND.set(True)
    try:
        yield
    finally:
        _OF_COMMAND.reset(token)


def option(key: str, value: str = UNSTATED) -> str:
    """Name a key of the format in a message, for the configuration and for `predict`, quoted as a shell needs it."""
    argument = f"{key}={value}"
    of_command = f"--format {argument if value == UNSTATED else shlex.quote(argument)}"
    if _OF_COMMAND.get():
        return of_command
    override = f"corpus.format.{argument}"
    if value != UNSTATED:
        override = shlex.quote(f"corpus.format.{key}={override_value(value)}")
    return f"{override} (predict: {of_command})"
