"""Labels of users' files: from a value of the label column to negative, positive or neither."""

import math
import operator
import re
from collections.abc import Callable

from pipeline.config.corpus import Labels, LabelValues
from pipeline.config.labels import NEGATIVE, POSITIVE
from pipeline.runtime.errors import PipelineError

_COMPARISON = re.compile(r"\s*(<=|<|>=|>|==)\s*([+-]?\d+(?:\.\d+)?)\s*")
_OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}
# every spelling of a truth value that YAML knows: an unquoted `no` in a list of labels arrives here as False
_TRUTH = {"true": "1", "yes": "1", "on": "1", "false": "0", "no": "0", "off": "0"}


def normalise_label(value: object) -> str:
    """Return the form in which label values are compared; empty if there is no label (null, NaN, blank).

    Letter case, surrounding space and type do not matter: `Pos` equals `pos`, the text `"1.0"` equals the number 1;
    true, `yes` and `on` equal 1, and false, `no` and `off` equal 0.
    """
    text = "" if value is None else str(value).strip().casefold()
    text = _TRUTH.get(text, text)
    number = _finite_number(text)
    if number is None:
        return "" if text == "nan" else text
    return str(int(number)) if number.is_integer() else repr(number)


def label_reader(labels: Labels) -> Callable[[str], int | None]:
    """Return a function from a normalised value to 0 (negative), 1 (positive) or None (neither).

    Raises:
        PipelineError: a side is neither a list nor a comparison; raised by the function: a value fits both sides.
    """
    negative, positive = _side("negative", labels.negative), _side("positive", labels.positive)

    def read(value: str) -> int | None:
        if negative(value) and positive(value):
            raise PipelineError(f"the label {value!r} fits corpus.labels.negative and .positive both; make them differ")
        if negative(value):
            return NEGATIVE
        return POSITIVE if positive(value) else None

    return read


def _side(name: str, values: LabelValues) -> Callable[[str], bool]:
    if isinstance(values, list):
        return frozenset(normalise_label(value) for value in values).__contains__
    comparison = _COMPARISON.fullmatch(values)
    if comparison is None:
        problem = f"{values!r} is not a comparison such as '<=4'"
        raise PipelineError(f"corpus.labels.{name}: {problem}; write values as a list, [{values}]")
    compare, bound = _OPERATORS[comparison[1]], float(comparison[2])

    def fits(value: str) -> bool:
        number = _finite_number(value)
        return number is not None and bool(compare(number, bound))

    return fits


def _finite_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
