"""Shell completion of commands, of their options, and of the groups, choices and keys of `sentiment train`.

Prints the definitions for a shell. Add them once to its start-up file, and start a new shell: it completes wherever an
environment with `sentiment` is active.

  bash: sentiment completion bash >> ~/.bashrc
  zsh:  sentiment completion zsh >> ~/.zshrc       which must call compinit before
  fish: sentiment completion fish > ~/.config/fish/completions/sentiment.fish
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from pipeline.__main__ import PACKAGE_FOLDER, command_files
from pipeline.cli import Parser, tidy_exit

SCRIPTS = {
    # bash ends a word at `=`, but is told all of `model=gru`
    "bash": """_sentiment() {
  local typed="${COMP_LINE:0:COMP_POINT}" IFS=$'\\n'
  COMPREPLY=($(sentiment completion --line "$typed" 2>/dev/null))
  typed="${typed##* }"
  COMPREPLY=("${COMPREPLY[@]#"${typed%"$2"}"}")
  if [[ "${COMPREPLY[*]}" == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _sentiment sentiment""",
    "zsh": """_sentiment() {
  local -a found
  found=(${(f)"$(sentiment completion --line "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)"})
  compadd -Q -S '' -- ${(M)found:#*=}
  compadd -Q -- ${found:#*=}
  if (( ! $#found )); then compset -P '*='; _files; fi
}
compdef _sentiment sentiment""",
    # -f: without it, files stand among the choices of a group
    "fish": """function _sentiment
  set -l found (sentiment completion --line (commandline -cp) 2>/dev/null)
  if string length -q -- $found
    printf '%s\\n' $found
  else
    complete -C "'' "(commandline -ct)
  end
end
complete -c sentiment -f -a '(_sentiment)'""",
}
WITH_OVERRIDES = "train"
"""Command whose arguments are overrides of conf/."""


def completions(line: str) -> list[str]:
    """Return the words that the last one of a command line may become.

    Args:
        line: as far as the cursor, beginning with `sentiment`.
    """
    *before, typed = line.split(" ")
    words = [word for word in before if word]
    if len(words) < 2:
        possible = [*command_files(), "--help"]
    else:
        file = command_files().get(words[1].replace("-", "_"))
        possible = [] if file is None else ["--help", *_options(file)]
        if words[1] == WITH_OVERRIDES:
            possible += _overrides(typed)
    return [word for word in dict.fromkeys(possible) if word.startswith(typed)]


def _overrides(typed: str) -> Iterator[str]:
    """Yield the groups with their choices, once the group is typed, and the keys of conf/."""
    from pipeline.config import reference  # slow, for the overrides alone

    for group in reference.groups():
        named = [f"{group}={choice.name}" for choice in reference.choices(group)]
        yield from named if typed.startswith(f"{group}=") else [f"{group}="]
    yield from (f"{key.name}=" for key in reference.all_keys().values() if key.allowed and "NAME" not in key.name)
    yield from ("-m", "--cfg", "--info", "--hydra-help")


def _options(file: Path) -> Iterator[str]:
    """Yield the options that the source of a command adds to its parser, itself or by a function that it imports.

    The command itself would take seconds to say them: it imports torch.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    adders = {
        name.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for name in node.names
        if name.name.startswith("add_") and name.name.endswith("_option")
    }
    yield from _options_in(tree)
    for name, module in adders.items():
        source = PACKAGE_FOLDER.parent.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                yield from _options_in(node)


def _options_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and str(argument.value).startswith("--"):
                    yield str(argument.value)


if __name__ == "__main__":
    parser = Parser(__doc__)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("shell", nargs="?", choices=SCRIPTS, help="print the definitions for this shell")
    wanted.add_argument("--line", help="print the completions of the last word of this command line")
    arguments = parser.parse_args()
    with tidy_exit():
        print(SCRIPTS[arguments.shell] if arguments.shell else "\n".join(completions(arguments.line)))
