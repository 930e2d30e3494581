"""Train, judge and use models that tell the sentiment of reviews."""

import ast
import re
import runpy
import sys
from functools import cache
from pathlib import Path
from textwrap import shorten

from pipeline import begin_command
from pipeline.cli import Parser
from pipeline.runtime.suggestion import did_you_mean

PACKAGE_FOLDER = Path(__file__).parent
STAGES = ("compose", "download", "preprocess", "pretrain", "pseudo_label", "train", "evaluate", "register")
"""In the order in which `dvc repro` runs them."""
SCRIPTS_OF_MAKE = ("install",)
"""Modules that `make` runs as files, before anything is installed; people use `make setup`."""
LIST_WIDTH = 80
ABOUT_COMMANDS = """sentiment COMMAND is the same as python -m pipeline.COMMAND; with --help it says
more. Completion for bash, zsh and fish: sentiment completion --help"""


@cache
def command_files() -> dict[str, Path]:
    """Return the file of each command by its name: the stages in their order, then the other commands."""
    files = (
        path for path in (*PACKAGE_FOLDER.glob("*.py"), *PACKAGE_FOLDER.glob("*/__main__.py")) if path != Path(__file__)
    )
    runnable = (path for path in files if '__name__ == "__main__"' in path.read_text(encoding="utf-8"))
    by_name = {path.parent.name if path.stem == "__main__" else path.stem: path for path in runnable}
    others = sorted(by_name.keys() - {*STAGES, *SCRIPTS_OF_MAKE})
    return {name: by_name[name] for name in (*STAGES, *others)}


def list_commands() -> str:
    """Return the commands, each with the first sentence of its module's docstring, shortened to a line."""
    files = command_files()
    width = max(map(len, files)) + 4
    lines = {
        name: f"  {name:{width - 2}}{shorten(_purpose(path), LIST_WIDTH - width, placeholder=' …')}"
        for name, path in files.items()
    }
    stages = [lines[name] for name in STAGES]
    others = [line for name, line in lines.items() if name not in STAGES]
    return "\n".join(["stages, which `dvc repro` runs in this order:", *stages, "", "commands:", *others])


def _purpose(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"[.:;,]( |$)", docstring.splitlines()[0])[0]


def main() -> None:
    """Run the command that the first argument names, with the other arguments; without any, list the commands."""
    begin_command()
    parser = Parser(__doc__, f"{list_commands()}\n\n{ABOUT_COMMANDS}")
    parser.prog = parser.usage = "sentiment COMMAND …"
    if not sys.argv[1:] or sys.argv[1] in ("-h", "--help", "help"):
        parser.print_help()
        return
    name = sys.argv.pop(1).replace("-", "_")
    if name not in command_files():
        parser.exit(2, f"error: {name} is no command, --help lists them{did_you_mean(name, command_files())}\n")
    # as `python -m` does it, so that the processes which the command starts find its module, too
    runpy.run_module(f"pipeline.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
