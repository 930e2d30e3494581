"""Names of classes as figures show them."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from matplotlib.font_manager import findfont, get_font

MAX_DRAWN_NAME = 24
"""Maximum number of characters of a class's name in a figure."""


def names_in_figures(classes: Sequence[str]) -> dict[str, str]:
    """Return how figures show the names of classes: shortened, or `class 3` where the font has no such characters.

    Names in scripts written from right to left, which matplotlib would write from left to right, are numbered, too, and
    so are names that are equal once they are shortened. A number that would give the name of another class is raised by
    the number of classes until it does not.
    """
    short = [_shortened(name) if _can_be_drawn(name) else "" for name in classes]
    labels = [name if name and short.count(name) == 1 else "" for name in short]
    return {name: labels[index] or _numbered(index + 1, classes) for index, name in enumerate(classes)}


def is_numbered(label: str, name: str) -> bool:
    """Return True if a figure shows a number for a class, not its name."""
    return label != name and re.fullmatch(r"class \d+", label) is not None


def _numbered(number: int, classes: Sequence[str]) -> str:
    while (label := f"class {number}") in classes:
        number += len(classes)
    return label


@cache
def _can_be_drawn(name: str) -> bool:
    """Return whether the font has all characters of a name and writes it correctly; legends hide names with a `_`."""
    font = get_font(findfont("DejaVu Sans"))
    drawn = all(font.get_char_index(ord(c)) and unicodedata.bidirectional(c) not in ("R", "AL") for c in name)
    return drawn and not name.startswith("_")


def _shortened(name: str) -> str:
    half = MAX_DRAWN_NAME // 2
    short = name if len(name) <= MAX_DRAWN_NAME else f"{name[:half].rstrip()}…{name[-half:].lstrip()}"
    return short.replace("$", r"\$")  # two of them would start a formula
