"""Commands of the pipeline, run in this process in a small project, exactly as `python -m` would run them."""

import io
import runpy
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline.config.params import load_params
from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network
from pipeline.runtime import paths
from pipeline.text.vocabulary import Vocabulary
from pipeline.tracking.store import connect
from tests.conftest import composed, made_once, reviews

TINY = [
    *("model=bag_of_words", "model.embedding_dim=4", "training=smoke", "trainer.threads=1", "trainer=cpu"),
    *("evaluation.behaviour=false", "evaluation.contrast_pairs.path=null", "evaluation.baseline=false"),
    "tracking.system_metrics=false",
]
FILES = [
    *("corpus=files", "corpus.path=reviews.csv", "corpus.text_column=review", "corpus.label_column=verdict"),
    "corpus.labels={negative:[bad],positive:[good]}",
]
ALL_PASS = {"registry.checks": {"accuracy": {"metric": "test.accuracy", "min": 0.0}}}
PATHS = {name: path.relative_to(paths.WORKSPACE) for name, path in vars(paths).items() if isinstance(path, Path)}
"""Of the checkout's folders and files, which a small project has below its own root."""
HOLD_PATHS = [f"pipeline.{name}" for name in ("trained_model", "evaluated_model", "registration", "judge.command")]
"""Modules that commands import when they run, and that hold such paths."""


def params(corpus: str, changes: dict[str, Any]) -> str:
    """A params.yaml: the small project's, with another corpus or with some keys (`model.cell`) changed."""
    values = composed(*TINY, *(FILES if corpus == "files" else [f"corpus={corpus}"]))
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = values
        for part in sections:
            section = section[part]
        section[name] = value
    return yaml.safe_dump(values, sort_keys=False)


@dataclass
class SmallProject:
    """A project with a small corpus, the dataset made from it and a model, and the commands that run in it."""

    root: Path
    monkeypatch: pytest.MonkeyPatch

    def run(self, command: str, *arguments: str, stdin: bytes = b"") -> int:
        """Run `python -m pipeline.<command>` in it; returns its exit code."""
        handler = signal.getsignal(signal.SIGTERM)
        with self.monkeypatch.context() as patch:
            for name, path in PATHS.items():
                patch.setattr(paths, name, self.root / path)
            patch.setattr(load_params, "__defaults__", (self.root / "params.yaml",))
            patch.setenv("DVC_ROOT", str(self.root))
            patch.chdir(self.root)
            patch.setattr(sys, "argv", [command, *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            # what holds a path is imported anew, for this project
            names = (f"pipeline.{command}", *HOLD_PATHS)
            modules = {name: module for name in names if (module := sys.modules.pop(name, None)) is not None}
            imported = set(sys.modules)
            try:
                runpy.run_module(f"pipeline.{command}", run_name="__main__")
            except SystemExit as end:
                return int(end.code or 0)
            finally:
                signal.signal(signal.SIGTERM, handler)
                # what was imported in the meantime may hold a path of this project, which the next one must not get
                for name in [name for name in sys.modules if name.startswith("pipeline.") and name not in imported]:
                    del sys.modules[name]
                sys.modules.update(modules)
            return 0

    def contents(self) -> dict[str, bytes]:
        """What its files hold, but for the MLflow store and locks."""
        found = (path for path in self.root.rglob("*") if path.is_file() and "mlflow.db" not in path.name)
        found = (path for path in found if path.suffix != ".lock")
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a small project after `download` and `preprocess`, with a model that fits. Not to be changed."""
    return made_once(tmp_path_factory, "prepared", _prepare)


def _prepare(root: Path) -> None:
    rows = [f'"{text}",{label}\n' for text, label in reviews()]
    (root / "reviews.csv").write_text("review,verdict\n" + "".join(rows), encoding="utf-8")
    (root / "params.yaml").write_text(params("files", {}))
    with pytest.MonkeyPatch.context() as patch:
        project = SmallProject(root, patch)
        assert project.run("download") == 0
        shutil.copytree(root / "downloads", root / "data")
        assert project.run("preprocess") == 0
    config = load_params(root / "params.yaml")
    vocabulary = Vocabulary.load(root / "artifacts" / "dataset" / "vocab.json")
    torch.manual_seed(0)
    network = build_network(config.model, len(vocabulary))
    info = {"temperature": 1.0, "bias": 0.0, "threshold": 0.5, **config.model_dump(include={"text", "model"})}
    save_model(root / "artifacts" / "model", network, vocabulary, info)
    connect(config.tracking.model_copy(update={"uri": f"sqlite:///{root}/mlflow.db"}))


@pytest.fixture(scope="session")
def judged(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a small project whose model was trained and judged. Not to be changed."""

    def judge(root: Path) -> None:
        shutil.copytree(prepared, root, dirs_exist_ok=True)
        (root / "params.yaml").write_text(params("files", ALL_PASS))
        with pytest.MonkeyPatch.context() as patch:
            project = SmallProject(root, patch)
            for stage in ("pretrain", "pseudo_label", "train", "evaluate"):
                assert project.run(stage) == 0

    return made_once(tmp_path_factory, "judged", judge)


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A copy of it to change."""
    shutil.copytree(prepared, tmp_path / "project")
    return SmallProject(tmp_path / "project", monkeypatch)
