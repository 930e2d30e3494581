"""The digests of code by which DVC decides which stages run again."""

import ast
import hashlib
import json
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.runtime.code_digest import Code, canonical
from pipeline.runtime.errors import PipelineError
from tests.conftest import IMPORTS, Project

STAGES = ("download", "preprocess", "pretrain", "pseudo_label", "train", "evaluate", "register")
IMPORTED_IF_NEEDED: dict[str, set[str]] = {
    **{stage: set() for stage in STAGES},
    **{stage: {"pipeline.tables.spreadsheet"} for stage in ("download", "evaluate")},
    "pretrain": {"pipeline.training.initial_weights", "pipeline.training_run"},
    "pseudo_label": {"pipeline.training.teachers", "pipeline.training_run"},
}
"""Modules that a stage imports only for some corpora or configurations, unlike those of the tests' project. With each
of them comes what it imports itself."""
NAMED_IN_STRINGS = {
    # for use from Python: a stage imports what it needs itself; the list of commands imports the errors
    "pipeline": set(pipeline.MODULES_OF_NAMES.values()) - {"pipeline.runtime.errors"},
    "pipeline.config.schema": {"pipeline.config.reference"},  # words an error, and changes no result
    "pipeline.registration": {"pipeline.register"},  # likewise
    "pipeline.tracking.store": {"pipeline.train"},  # what MLflow shows as the source of a run
    "pipeline.train": {"pipeline.config.reference", "pipeline.sweep.command"},  # --help and trials are no stage
}
"""Modules that the code of a stage only names, so that a change of theirs does not run the stage again."""

SYNTAX = '''
"""A module."""
from __future__ import annotations
import os.path as path

LIMIT: int = -1  # a comment
"""A constant."""

@decorated(lambda x, *a, key=None, **k: x)
class Thing(Base, metaclass=Meta):
    """A class."""
    async def method(self, a, /, b: list[int] = [1, 2.5, 3j], *, c="é\\u2028\\U0001fae8") -> None:
        """A method."""
        async with a as b, c: pass
        print(f"{a!r:>{b}} {{}} {c:{b}}" "more" f'{a=}{b:}', b"\\x00", u"old", ...)
        match a:
            case {"x": [1, *rest], **others} if rest: return
            case Point(x=0) | None: raise ValueError from None
        try: del a[1:2, ::3]
        except* (OSError, ValueError) as error: yield {**a, 1: True}
        else: x = y = [z async for z in w if z if not z]
        finally: (n := 10**2) if a < b <= c else not a
        while True: break
        else: z = yield
        global g
        return {1, *a}
'''
DIGEST_OF_SYNTAX = "983780248b4fd5a4c1859ec5ced5795a"


def project(root: Path, **files: str) -> Code:
    """A project whose package holds these files; in a name `__` is a slash."""
    for name, text in {"_init": "", **files}.items():
        path = name.replace("__", "/").replace("_init", "__init__").replace("_main", "__main__")
        file = root / "pipeline" / f"{path}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Code(root)


def digest(text: str) -> str:
    return hashlib.sha256(canonical(ast.parse(text)).encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "# why\nx = 1  # how"),
        ("x = (1 +\n  2)\ndef f(a): return a", "x = 1 + 2\n\n\ndef f(\n    a,\n):\n    return a"),
        ('"""Old."""\nx = 1\n"""Old."""', '"""New."""\nx = 1\n"""New."""'),
        ('class A:\n    """Old."""\n    x: int\n    """Old."""', "class A:\n    x: int"),
        ('def f():\n    """Old."""\n    return 1', "def f():\n    return 1"),
        ("class A(Exception):\n    pass", 'class A(Exception):\n    """New."""'),
        ("x = 'a'", 'x = u"a"'),
        ('x = 1\ny = """a\nb"""', 'x = 1\r\ny = """a\r\nb"""'),
    ],
)
def test_what_changes_no_result_changes_no_digest(before: str, after: str) -> None:
    assert digest(before) == digest(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = 'a'", "x = 'A'"),
        ("x = ''", "x = ' '"),
        ("f('')", "f()"),
        ("x = y = 1", "y = x = 1"),
        ("x = a + b", "x = a - b"),
        ("x = -1", "x = 1"),
        ("def f(a=1): ...", "def f(a=2): ..."),
        ("def f(a, b): ...", "def f(a, *, b): ..."),
        ("raise E('old')", "raise E('new')"),
        ("x = f'{a:.1f}'", "x = f'{a:.2f}'"),
        ("x = f'{a!r}'", "x = f'{a}'"),
        ("import a", "import a as b"),
        ("from . import a", "from .. import a"),
        ("return_ = None", "return_ = 0"),
    ],
)
def test_what_may_change_a_result_changes_the_digest(before: str, after: str) -> None:
    assert digest(before) != digest(after)


def test_the_digest_is_the_same_in_every_version_of_python() -> None:
    """The committed dvc.lock holds digests; CI runs this with each version."""
    assert digest(SYNTAX) == DIGEST_OF_SYNTAX


def test_the_closure_has_what_is_imported_however_that_is_written(tmp_path: Path) -> None:
    code = project(
        tmp_path,
        stage="import os, pipeline.a.one\nfrom pipeline.a import two\nfrom pipeline.b import *",
        a___init="",
        a__one="from . import three\nfrom .four import name",
        a__two="def f():\n    from pipeline.c import name as other",
        a__three="import pipeline.stage",
        a__four="from ..d import deep",
        a__five="",
        b___init="from pipeline import e",
        b___main="import pipeline.f",
        c="name = 'pipeline.f'",
        d___init="",
        d__deep="",
        e="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pipeline.g\nelse:\n    import pipeline.h",
        f="",
        g="",
        h="",
    )
    packages = {"pipeline", "pipeline.a", "pipeline.b", "pipeline.d"}
    modules = {f"pipeline.a.{name}" for name in ("one", "two", "three", "four")}
    others = {"pipeline.stage", "pipeline.c", "pipeline.d.deep", "pipeline.e", "pipeline.h"}
    assert code.closure("pipeline.stage") == packages | modules | others
    of_b = {"pipeline", "pipeline.b", "pipeline.b.__main__", "pipeline.e", "pipeline.f", "pipeline.h"}
    assert code.closure("pipeline.b") == of_b


def test_a_stage_has_the_digest_of_the_command_it_runs(tmp_path: Path) -> None:
    code = project(tmp_path, one="", two="import pipeline.one", three___main="import pipeline.one")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n"
        "  one: {cmd: python -m pipeline.one}\n"
        "  again: {cmd: [echo, python -m pipeline.two]}\n"
        "  other: {cmd: ./script.sh}\n"
    )
    assert code.stage_digests() == {"one": code.digest("pipeline.one"), "again": code.digest("pipeline.two")}
    assert len({code.digest(f"pipeline.{name}") for name in ("one", "two")}) == 2
    (tmp_path / "pipeline" / "two.py").write_text("not Python")
    assert Code(tmp_path).stage_digests("one") == {"one": code.digest("pipeline.one")}


def test_a_module_that_is_missing_or_no_python_is_named(tmp_path: Path) -> None:
    code = project(tmp_path, one="import pipeline.two", two="x = 1\ny = (")
    with pytest.raises(PipelineError, match=r"there is no module pipeline\.three in .*; correct its name"):
        code.digest("pipeline.three")
    with pytest.raises(PipelineError, match=r"two\.py, line 2: '\(' was never closed; correct it"):
        code.digest("pipeline.one")


def test_what_a_stage_only_names_in_a_string_is_known() -> None:
    code = Code()
    named = {}
    for module in code.closure(*(f"pipeline.{stage}" for stage in STAGES)):
        tree = ast.parse(code.files[module].read_bytes())
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        if only_named := strings & code.files.keys() - code.closure(module):
            named[module] = only_named
    assert named == NAMED_IN_STRINGS


@pytest.mark.skipif(sys.platform != "linux", reason="the fork server records it")
@pytest.mark.parametrize("stage", STAGES)
def test_the_closure_is_what_the_stage_imports_when_it_runs(trained: Project, stage: str) -> None:
    records = list((trained.root / IMPORTS).glob(f"{stage}-*.json"))
    imported = {name for record in records for name in json.loads(record.read_text())}
    code = Code(trained.root)
    closure = code.closure(f"pipeline.{stage}")
    assert f"pipeline.{stage}" in imported
    assert imported - closure == set()
    assert imported & IMPORTED_IF_NEEDED[stage] == set()
    assert closure - imported == code.closure(*IMPORTED_IF_NEEDED[stage]) - imported
