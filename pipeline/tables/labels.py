"""Labels of users' files: from a value of a label column to the class that the user has said it means."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from pipeline.config.corpus import LabelValues
from pipeline.config.label_values import fold_value, normalise_label
from pipeline.runtime.errors import PipelineError

IGNORED = -1
"""Index of no class: rows with such a label are left out."""

_COMPARISON = re.compile(r"\s*(<=|<|>=|>|==)\s*([+-]?\d+(?:\.\d+)?)\s*,?")
_OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}
# every spelling of a truth value that YAML knows: an unquoted `no` in a list of labels arrives here as False
_TRUTH = {"true": "1", "yes": "1", "on": "1", "false": "0", "no": "0", "off": "0"}


def finite_number(text: str) -> float | None:
    """Return the number that a text is; None if it is none, or infinite, or has `_` between its digits."""
    try:
        number = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def is_shortest_number(value: str) -> bool:
    """Return True if a normalised value is also what its number is normalised to: it needs no quotes in a list."""
    return fold_value(finite_number(value)) == value != ""


def label_reader(
    classes: Mapping[str, LabelValues],
    ignored: LabelValues,
    keys: tuple[str, str] = ("corpus.labels", "corpus.ignore_labels"),
) -> Callable[[str], int | None]:
    """Return a function from a normalised value to its class index, `IGNORED`, or None if nothing names it.

    In a list `true`, `yes` and `on` equal 1, and `false`, `no` and `off` equal 0, unless something names the value
    itself.

    Args:
        classes: values of each class by its name, in the order of their indices.
        ignored: values of no class.
        keys: what states the classes, and what the values of no class, for messages.

    Raises:
        PipelineError: values are neither a list nor comparisons, or name one value twice, or a class names missing
            labels; raised by the function: two comparisons fit the value.
    """
    of_classes, of_none = keys
    named = {f"{of_classes}.{name}": values for name, values in classes.items()} | {of_none: ignored}
    fitting = {key: _matcher(key, values) for key, values in named.items()}
    listed = {
        key: {_truth_as_number(normalise_label(value)) for value in values}
        for key, values in named.items()
        if isinstance(values, list)
    }
    numbers = {**{key: number for number, key in enumerate(list(named)[:-1])}, of_none: IGNORED}

    @lru_cache(maxsize=1024)
    def read(value: str) -> int | None:
        keys = [key for key, fits in fitting.items() if fits(value)]
        keys = keys or [key for key, values in listed.items() if _truth_as_number(value) in values]
        if len(keys) > 1:
            shown = repr(value) if value else "a missing label"
            raise PipelineError(f"{keys[1]}: {shown} is named by {keys[0]}, too; leave it to one of the two")
        return numbers[keys[0]] if keys else None

    for key, values in named.items():
        for value in map(normalise_label, values if isinstance(values, list) else []):
            if not value and key != of_none:
                problem = "a missing label means no class"
                raise PipelineError(f"{key}: {problem}; name it in {of_none}, as null")
            read(value)
    return read


def _matcher(key: str, values: LabelValues) -> Callable[[str], bool]:
    """Return a function that tells whether normalised values are among these."""
    if isinstance(values, list):
        return frozenset(map(normalise_label, values)).__contains__
    if not re.fullmatch(f"(?:{_COMPARISON.pattern})+", values):
        problem = f"{values!r} is not a comparison such as '<=4' or '>=4 <7'"
        raise PipelineError(f"{key}: {problem}; write values as a list, [{values}]")
    comparisons = [(_OPERATORS[sign], float(bound)) for sign, bound in _COMPARISON.findall(values)]

    def fits(value: str) -> bool:
        number = finite_number(value)
        return number is not None and all(compare(number, bound) for compare, bound in comparisons)

    return fits


def _truth_as_number(value: str) -> str:
    return _TRUTH.get(value, value)
