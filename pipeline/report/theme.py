"""Figures for a page that follows the reader's colour scheme."""

import re
from pathlib import Path

from pipeline.report.colours import DARK

_STYLE = re.compile(r'style="[^"]*"')
_COLOUR = re.compile(rf"([a-z-]+): ({'|'.join(DARK)})")
_GROUP_NAMES = re.compile(r'<g id="[^"]*"')


def themed_svg(path: Path) -> str:
    """Return a figure that matplotlib wrote as the SVG element of a page, in dark colours where the page is dark.

    Browsers from before 2024, which do not know `light-dark`, show it in light ones.
    The names of its groups are left out: every figure has the same, and a page may have each but once.
    """
    element = path.read_text(encoding="utf-8").partition("<svg")[2]
    recoloured = _STYLE.sub(lambda style: _COLOUR.sub(_light_or_dark, style[0]), _GROUP_NAMES.sub("<g", element))
    return f'<svg aria-hidden="true"{recoloured}'


def _light_or_dark(declaration: re.Match[str]) -> str:
    name, colour = declaration.groups()
    return f"{name}: {colour}; {name}: light-dark({colour}, {DARK[colour]})"
