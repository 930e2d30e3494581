"""How numbers, names and outcomes are written for people, in the terminal and on the report's page."""

from collections.abc import Mapping
from typing import Any

UNDEFINED = "undefined"


def number(value: float | None) -> str:
    """Four digits after the point, or that it is undefined."""
    return UNDEFINED if value is None else f"{value:.4f}"


def percent(value: float | None) -> str:
    """A share as per cent, or that it is undefined."""
    return UNDEFINED if value is None else f"{value:.1%}"


def spoken(name: str) -> str:
    """A name of the code's or of a file's, with spaces."""
    return name.replace("_", " ")


def outcome(result: Mapping[str, Any]) -> str:
    """Of a check, or of the verdict over all of them."""
    return "passed" if result["passed"] else "FAILED"
