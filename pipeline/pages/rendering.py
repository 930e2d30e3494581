"""Pages that open offline: one HTML file with its style, script and pictures inside, which fetches nothing.

Templates lie beside this file and extend `base.html`. Every value is escaped. The page's policy lets only its own
script run and nothing be fetched, so that a review with markup in it is shown and does nothing.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.runtime.atomic import write_text

_ENVIRONMENT = Environment(
    loader=PackageLoader("pipeline.pages", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Fill in a template, such as `report.html`; a script `report.js` beside it becomes part of the page."""
    script_path = Path(__file__).with_name(template).with_suffix(".js")
    script = script_path.read_text(encoding="utf-8") if script_path.exists() else ""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return _ENVIRONMENT.get_template(template).render(script=script, script_digest=digest, **values)


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write `render`'s page, whole or not at all."""
    write_text(path, render(template, **values))


def embedded_png(path: Path) -> str:
    """A picture as the `src` of an image."""
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"
