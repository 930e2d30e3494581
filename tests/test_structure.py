"""How the parts may know one another, and what DVC must know of them."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from pipeline.config.schema import Config
from pipeline.registry.packaging import REQUIREMENTS
from pipeline.runtime.paths import WORKSPACE

PACKAGE = WORKSPACE / "pipeline"
MODULES = {
    ".".join(path.relative_to(WORKSPACE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
STAGES = yaml.safe_load((WORKSPACE / "dvc.yaml").read_text())["stages"]

READ_WITHOUT_EFFECT: dict[str, set[str]] = {
    "download": set(),
    "preprocess": {"seed"},  # the split's own seed
    # for the run's name and tags; not called
    "pretrain": {"corpus", "model", "pseudo_labels", "seed", "tracking", "training"},
    # the teacher's own instead; the run's name and tags; refused; where points go
    "pseudo_label": {"corpus", "debug", "logger", "seed", "tracking", "training"},
    # checked against the dataset, which depends on it; refused; where the run and its points go
    "train": {"corpus", "debug", "logger", "tracking"},
    "evaluate": {"tracking"},
    "register": {
        "pretraining",
        "pseudo_labels",
        "corpus",
        "model",
        "text",
        "training",
    },  # for the description and the name of a run
}
"""Keys a stage may read though they change none of its outputs beyond what its dependencies do."""


def imports(path: Path, at_once: bool = False) -> set[str]:
    """Absolute names of the modules a file imports, at any depth, or only those it needs to be imported itself."""
    names = set()
    tree = ast.parse(path.read_text())
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def closure(module: str, at_once: bool = False) -> set[str]:
    """The modules of the package that a module imports, directly or not, and itself."""
    found, pending = set(), [module]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += imports(MODULES[name], at_once) & MODULES.keys() - {"pipeline"}
    return found


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "compose"])
def test_a_stage_depends_on_the_digest_of_its_code_and_on_no_module(stage):
    assert {"code.yaml": [stage]} in STAGES[stage]["params"]
    deps = {WORKSPACE / dep for dep in STAGES[stage].get("deps", [])}
    assert not deps & {file for path in MODULES.values() for file in (path, *path.parents)}


def test_files_of_the_package_that_are_no_code_are_dependencies_of_a_stage():
    deps = {dep for stage in STAGES.values() for dep in stage.get("deps", [])}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    not_of_a_stage = {path.name for path in files if path.relative_to(WORKSPACE).as_posix() not in deps}
    assert not_of_a_stage == {"explain.html", "explain.js"}


def config_keys(stage: str) -> set[str]:
    """Top-level keys of the configuration that are read as `config.<key>` in a stage or in any room it imports."""
    return {
        node.attr
        for name in closure(f"pipeline.{stage}")
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "config"
    } & Config.model_fields.keys()


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "compose"])
def test_a_stage_lists_the_keys_that_can_change_its_outputs_and_no_other(stage):
    listed = {key.split(".")[0] for key in STAGES[stage]["params"] if isinstance(key, str)}
    assert listed == config_keys(stage) - READ_WITHOUT_EFFECT[stage]


def test_every_stage_says_what_it_does():
    assert all(stage["desc"].endswith(".") for stage in STAGES.values())


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_knows_two_of_torchtext_lightning_and_mlflow(name):
    known = {imported.split(".")[0] for imported in imports(MODULES[name])}
    assert len(known & {"torchtext", "pytorch_lightning", "mlflow"}) <= 1


def test_each_of_them_has_one_room():
    rooms = {
        library: {
            name.split(".")[1]
            for name, path in MODULES.items()
            if library in {imported.split(".")[0] for imported in imports(path)}
        }
        for library in ("torchtext", "pytorch_lightning", "mlflow")
    }
    assert rooms == {
        "torchtext": {"text"},
        "pytorch_lightning": {"training"},
        "mlflow": {"inference", "registry", "serve", "sweep", "tracking"},
    }


def test_one_module_has_mlflow_resolve_addresses():
    """MLflow does so in its default store: whoever calls it elsewhere reads, or deletes, in the wrong one."""
    resolving = ("mlflow.artifacts", "mlflow.store")
    callers = {name for name, path in MODULES.items() if any(i.startswith(resolving) for i in imports(path))}
    assert callers == {"pipeline.tracking.artifacts"}


ROOMS = dict(
    re.findall(r"^\| `(\w+)/` \| (.*) \|$", (WORKSPACE / "docs" / "architecture.md").read_text("utf-8"), re.MULTILINE)
)
"""The purpose of each room, as the page has it, in its order."""
SHARED = {"cli"}
"""Modules beside the stages that rooms may import."""
COMMANDS = {"ablation", "explain", "judge", "predict", "reproduce", "serve"}
"""Rooms that no other room imports."""


def test_the_architecture_page_has_each_room_with_its_purpose():
    purposes = {
        path.parent.name: ast.get_docstring(ast.parse(path.read_text())) for path in PACKAGE.glob("*/__init__.py")
    }
    assert {room: purpose.splitlines()[0] for room, purpose in purposes.items()} == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it_on_the_architecture_page(room):
    above = set(ROOMS) - set(list(ROOMS)[list(ROOMS).index(room) :])
    for name, path in MODULES.items():
        if f"{name}.".startswith(f"pipeline.{room}."):
            imported = {i.split(".")[1] for i in imports(path) & MODULES.keys() if "." in i}
            assert imported <= (above - COMMANDS) | SHARED | {room}, name


def test_predict_imports_neither_mlflow_nor_lightning():
    modules = closure("pipeline.predict", at_once=True) | closure("pipeline.inference.predictor", at_once=True)
    libraries = {i.split(".")[0] for name in modules for i in imports(MODULES[name], at_once=True)}
    assert not libraries & {"mlflow", "pytorch_lightning", "hydra", "sklearn", "scipy"}


HEAVY = {"captum", "matplotlib", "mlflow", "pandas", "pytorch_lightning", "safetensors", "scipy", "sklearn", "torch"}
HEAVY |= {"torchtext"}
ANSWER_AT_ONCE = [
    *("preprocess", "pretrain", "pseudo_label", "train", "evaluate", "register"),
    *(f"{room}.__main__" for room in ("behaviour", "explain", "judge", "predict", "serve")),
    "promote",
]
"""Commands whose `--help` and complaints about an argument wait for no large library."""


@pytest.mark.parametrize("module", [*ANSWER_AT_ONCE, "preprocessing.encoding"])
def test_a_help_page_a_stage_without_work_and_a_worker_that_tokenises_import_no_torch(module):
    package = module.removesuffix(".__main__")  # runs before the module
    modules = closure(f"pipeline.{module}", at_once=True) | closure(f"pipeline.{package}", at_once=True)
    libraries = {i.split(".")[0] for name in modules for i in imports(MODULES[name], at_once=True)}
    assert not libraries & HEAVY


def libraries(modules: set[str]) -> set[str]:
    """The installed packages that modules import, in lower case; of several that hold a part of one, the whole."""
    provided = packages_distributions()
    names = {imported.split(".")[0] for name in modules for imported in imports(MODULES[name])} - {"pipeline"}
    return {min(provided[name], key=len).lower() for name in names if name in provided}


def test_a_registered_model_asks_for_all_it_imports():
    assert libraries(closure("pipeline.inference.pyfunc")) == set(REQUIREMENTS)


def test_all_that_is_imported_is_asked_for():
    project = tomllib.loads((WORKSPACE / "pyproject.toml").read_text())["project"]
    asked = {re.match(r"[\w-]+", line)[0].lower() for line in project["dependencies"]}
    assert libraries(set(MODULES)) <= asked


IN_SEVERAL_MODULES = {"main", "log", "__all__"}
"""Names that are a convention in every module."""


def test_no_top_level_name_stands_in_two_modules():
    modules: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names = [name]
                case ast.Assign(targets=targets):
                    names = [
                        part.id
                        for target in targets
                        for part in ast.walk(target)
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
                    ]
                case ast.AnnAssign(target=ast.Name(id=name)):
                    names = [name]
                case _:
                    names = []
            for name in {*names} - IN_SEVERAL_MODULES:
                modules.setdefault(name, set()).add(module)
    assert not {name: among for name, among in modules.items() if len(among) > 1}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_docstrings_begin_with_a_verb_or_with_the_thing_itself(name):
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first = node.value.value.split()[0].strip("`,:")
            assert first not in {"What", "How", "Of", "As", "Whether", "Where", "When", "Why"}, node.value.value
