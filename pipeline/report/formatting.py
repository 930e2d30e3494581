"""Format numbers, intervals, names and outcomes for people: in the terminal, on the report's page, in Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

UNDEFINED = "undefined"


def printable(text: str) -> str:
    """Replace line breaks and control characters, which would act on a terminal or end a comment, by spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def number(value: float | None) -> str:
    """Format a number with four decimal places; None is undefined."""
    return UNDEFINED if value is None else f"{value:.4f}"


def mean_with_deviation(mean: float | None, deviation: float | None) -> str:
    """Format a mean and the standard deviation, if there is one, such as `0.9010 ± 0.0040`."""
    return number(mean) + ("" if deviation is None else f" ± {number(deviation)}")


def percent(value: float | None) -> str:
    """Format a share as a percentage; None is undefined."""
    return UNDEFINED if value is None else f"{value:.1%}"


def count(value: float) -> str:
    """Format a whole number with separators of thousands."""
    return f"{value:,.0f}"


def counts(values: Mapping[str, int]) -> str:
    """Format named counts of rows: `18,000 train, 2 ignored labels`; empty where there is none."""
    return ", ".join(f"{count(rows)} {readable(name)}" for name, rows in values.items())


def interval(bounds: Mapping[str, Any] | None, form: Callable[[float | None], str] = number) -> str:
    """Format the values `low` and `high` of an interval; empty where the metric never has one."""
    if bounds is None:
        return ""
    if bounds["low"] is None:
        return UNDEFINED
    return f"{form(bounds['low'])} to {form(bounds['high'])}"


def percent_interval(bounds: Mapping[str, Any] | None) -> str:
    """Format an interval of a share, as `interval` does."""
    return interval(bounds, percent)


def p_value(value: float) -> str:
    """Format the p-value of a test with its sign: `= 0.0312`, or `< 0.0001`."""
    return f"= {value:.4f}" if value >= 0.0001 else "< 0.0001"


def bound(value: float | None) -> str:
    """Format a bound of a check; empty where there is none."""
    return "" if value is None else f"{value:g}"


def readable(name: str) -> str:
    """Return a name from code or from a file with spaces instead of underscores."""
    return name.replace("_", " ")


def length_tick(name: str) -> str:
    """Return the name of a length class, such as `51 to 100 words`, in brief for an axis of words: `51-100`."""
    return name.removesuffix(" words").replace("up to ", "≤ ").replace("over ", "> ").replace(" to ", "-")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table in Markdown; an em space ends each cell, as MLflow sets columns side by side without a gap."""
    spaced = [[f"{cell}&emsp;" for cell in row] for row in (header, *rows)]
    lines = [spaced[0], ["---"] * len(header), *spaced[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def outcome(passed: bool) -> str:
    """Name the outcome of a check, or of all checks together."""
    return "passed" if passed else "FAILED"
