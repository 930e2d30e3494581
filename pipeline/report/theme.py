"""Figures for a page that follows the reader's colour scheme."""

import re
from pathlib import Path

from pipeline.report.colours import DARK

_STYLE = re.compile(r'style="[^"]*"')
_COLOUR = re.compile("|".join(DARK))
_GROUP_NAMES = re.compile(r'<g id="[^"]*"')


def themed_svg(path: Path) -> str:
    """Return a figure that matplotlib wrote as the SVG element of a page, in dark colours where the page is dark.

    The names of its groups are left out: every figure has the same, and a page may have each but once.
    """
    element = path.read_text(encoding="utf-8").partition("<svg")[2]
    recoloured = _STYLE.sub(lambda style: _COLOUR.sub(_light_or_dark, style[0]), _GROUP_NAMES.sub("<g", element))
    return f'<svg aria-hidden="true"{recoloured}'


def _light_or_dark(colour: re.Match[str]) -> str:
    return f"light-dark({colour[0]}, {DARK[colour[0]]})"
