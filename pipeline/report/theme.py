"""Figures for a page that follows the reader's colour scheme."""

import re
from pathlib import Path

from pipeline.report.colours import DARK

_STYLE = re.compile(r'style="[^"]*"')
_COLOUR = re.compile(rf"([a-z-]+): ({'|'.join(DARK)})")
_GROUP_IDS = re.compile(r'<g id="[^"]*"')


def themed_svg(path: Path) -> str:
    """Return a figure that matplotlib wrote as the SVG element of a page, in dark colours where the page is dark.

    Browsers from before 2024, which do not know `light-dark`, show it in light ones.
    The ids of its groups are removed: every figure has the same ones, and on a page ids must be unique.
    """
    element = path.read_text(encoding="utf-8").partition("<svg")[2]
    recoloured = _STYLE.sub(lambda style: _COLOUR.sub(_light_or_dark, style[0]), _GROUP_IDS.sub("<g", element))
    return f'<svg aria-hidden="true"{recoloured}'


def _light_or_dark(declaration: re.Match[str]) -> str:
    name, colour = declaration.groups()
    return f"{name}: {colour}; {name}: light-dark({colour}, {DARK[colour]})"
