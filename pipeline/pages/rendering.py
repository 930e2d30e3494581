"""Pages that open offline: one HTML file with its style, script and pictures inside, which loads nothing else.

Templates lie beside this file and extend `base.html`. Every value is escaped. The page's content security policy allows
only its own script and no requests, so that a review with markup in it is shown and does nothing.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.runtime.atomic import write_text

Filters = Mapping[str, Callable[..., str]]
"""Functions that a template calls as filters, by name."""


def write_page(path: Path, template: str, filters: Filters | None = None, **values: Any) -> None:
    """Fill in a template, such as `report.html`, and write the page; a script `report.js` beside it becomes part of it.

    The page is written whole or not at all.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.pages", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    script_path = Path(__file__).with_name(template).with_suffix(".js")
    script = script_path.read_text(encoding="utf-8") if script_path.exists() else ""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    write_text(path, environment.get_template(template).render(script=script, script_digest=digest, **values))
