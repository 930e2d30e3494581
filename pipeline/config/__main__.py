"""Rewrite the comments in conf/ and the page docs/configuration.md from the schema in pipeline/config/.

Run it after changing the schema or the files in conf/; it prints the names of the files that it changes.
"""

from pathlib import Path

from pipeline.cli import Parser, tidy_exit
from pipeline.config.comments import commented
from pipeline.config.page import page
from pipeline.runtime.atomic import write_text
from pipeline.runtime.paths import CONF, WORKSPACE


def documented() -> dict[Path, str]:
    """Return the files that are generated, wholly or in part, with the text that they should have.

    Raises:
        PipelineError: a file of conf/ is wrong.
    """
    files = {path: commented(path.read_text(encoding="utf-8"), path, CONF) for path in sorted(CONF.rglob("*.yaml"))}
    return {**files, WORKSPACE / "docs" / "configuration.md": page()}


def main() -> None:
    """Write the files that are not as they should be."""
    for path, text in documented().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            print(path.relative_to(WORKSPACE))


if __name__ == "__main__":
    Parser(description=__doc__).parse_args()
    with tidy_exit():
        main()
