"""Form in which label values and the names of classes are compared."""

import math
import re
import unicodedata
from decimal import Decimal

_WHOLE_NUMBER = re.compile(r"^([+-]?\d+)\.0$")


def fold_value(value: object) -> str:
    """Return a value as text without differences of letter case, surrounding space, type and Unicode form.

    It is empty if there is no value (null, NaN, blank). A number is its shortest text: `12.0`, as tables write 12 in a
    column that lacks values, is 12. No other text is read as a number: identifiers of many digits or of leading zeros,
    or sections such as `1.1` and `1.10`, would be one.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float | Decimal) and math.isfinite(value):
        value = int(value) if value == int(value) else float(value)
    return _WHOLE_NUMBER.sub(r"\1", unicodedata.normalize("NFKC", str(value)).strip().casefold())


def normalise_label(value: object) -> str:
    """Return the form in which label values are counted; empty if there is no label (null, NaN, blank).

    What `fold_value` makes equal is equal, and so is what differs in the space between words: messages show one space.
    """
    text = " ".join(fold_value(value).split())
    return "" if text == "nan" else text
