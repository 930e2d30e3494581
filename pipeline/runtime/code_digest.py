"""Digest of the code that a command runs, which comments, docstrings and layout do not change.

A digest covers the syntax trees of a module's import closure: the module, all that it imports directly or not, within
functions too, and the packages that hold these. DVC compares it to decide which stages run again.

A module that is only named in a string, such as one for a child process, does not count: import it where it can change
a result. Imports under `if TYPE_CHECKING:` run nothing and do not count either. tests/runtime/test_code_digest.py
compares the closures with what the stages import when they run.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from pipeline.runtime.errors import PipelineError

ROOT = Path(__file__).resolve().parents[2]
"""The project this code belongs to."""
PACKAGES = ("pipeline", "hydra_plugins")
WITHOUT_MEANING = ("kind", "type_comment")
"""Fields of syntax trees: the `u` before a string, and comments with types."""
STAGE_COMMAND = re.compile(r"\bpython -m (pipeline[\w.]*)")


class Code:
    """The modules of a project, each of them read once when it is first needed."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.files: dict[str, Path] = {}
        for package in PACKAGES:
            for file in (root / package).rglob("*.py"):
                name = ".".join(file.relative_to(root).with_suffix("").parts)
                self.files[name.removesuffix(".__init__")] = file
        self._modules: dict[str, tuple[str, set[str]]] = {}

    def closure(self, *modules: str) -> set[str]:
        """Return the names of all modules that these may run when they are imported, or started by `python -m`.

        Raises:
            PipelineError: one of these does not exist, or one of all is not valid Python.
        """
        if missing := [module for module in modules if module not in self.files]:
            raise PipelineError(f"there is no module {missing[0]} in {self.root}; correct its name")
        reached: set[str] = set()
        pending = {*modules, *(f"{module}.__main__" for module in modules)}
        while pending:
            name = pending.pop()
            if name in self.files and name not in reached:
                reached.add(name)
                pending |= self._read(name)[1]
            pending |= {name.rpartition(".")[0]} - reached - {""}  # a package runs before its modules
        return reached

    def digest(self, *modules: str) -> str:
        """Return the digest of the modules' closure as 32 hexadecimal digits. Raises `PipelineError` as `closure`."""
        lines = (f"{name} {self._read(name)[0]}\n" for name in sorted(self.closure(*modules)))
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]

    def stage_digests(self, *only: str) -> dict[str, str]:
        """Return the digest of each stage of dvc.yaml, or of `only` these, that runs a command of this package.

        Raises:
            PipelineError: a stage runs a module that does not exist, or one that is not valid Python.
        """
        stages = yaml.safe_load((self.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        commands = {name: STAGE_COMMAND.search(str(stage.get("cmd"))) for name, stage in stages.items()}
        return {
            name: self.digest(command[1])
            for name, command in commands.items()
            if command and (not only or name in only)
        }

    def _read(self, name: str) -> tuple[str, set[str]]:
        """Return a module's canonical form and the names it imports: of modules, and of what these define."""
        if name not in self._modules:
            file = self.files[name]
            try:
                tree = ast.parse(file.read_bytes())
            except (SyntaxError, ValueError) as error:
                line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
                raise PipelineError(f"{file}{line}: {getattr(error, 'msg', error)}; correct it") from None
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            self._modules[name] = canonical(tree), set(_imports(tree, package))
        return self._modules[name]


def canonical(node: ast.AST) -> str:
    """Return a syntax tree as text: the same in every version of Python, without what changes no result."""
    fields = []
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            value = [item for item in value if not _has_no_effect(item, node)]
        if field not in WITHOUT_MEANING and value is not None and value != []:  # some versions leave these out
            fields.append(f"{field}={_canonical_value(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _canonical_value(value: object) -> str:
    if isinstance(value, ast.AST):
        return canonical(value)
    if isinstance(value, list):
        return f"[{','.join(map(_canonical_value, value))}]"
    return ascii(value)  # repr escapes fewer letters in later versions


def _has_no_effect(node: object, parent: ast.AST) -> bool:
    """Return whether a node is `pass`, a string by itself such as a docstring, or an empty part of an f-string."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(parent, ast.JoinedStr):
        return isinstance(node, ast.Constant) and node.value == ""  # Python 3.12 alone keeps them
    return isinstance(node, ast.Pass)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.expr():
                pass  # holds no statement; most nodes are within one
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package.split(".")[: 1 - level or None] if level else []
                source = ".".join([*parents, *filter(None, [module])])
                yield source
                yield from (f"{source}.{alias.name}" for alias in names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                yield from (name for other in orelse for name in _imports(ast.Module([other], []), package))
            case _:
                yield from _imports(node, package)
