"""Shared set-up: one torch thread, no settings from the caller's environment, and a copy of the project to run."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
for name in ("DVC_ROOT", "DVC_EXP_NAME", "DVC_SITE_CACHE_DIR", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)

import csv
import gc
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from mlflow import MlflowClient

from pipeline.config.composition import compose_config
from pipeline.config.labels import LABELS
from pipeline.config.schema import Config, validate
from pipeline.runtime.garbage import collect_from_now_on
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import write_json
from pipeline.site_cache import keep_in_project
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from tests.support.fork_server import RECORD_IMPORTS, commands

torch.set_num_threads(1)


def pytest_configure() -> None:
    """Hold the garbage collector while the tests are collected, which imports all that there is."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let it work again, but not on what the imports have made."""
    collect_from_now_on()


GOOD = ["a delight", "funny and warm", "a small wonder", "beautifully acted", "moving from start to end", "pure joy"]
BAD = ["a bore", "loud and empty", "a waste of time", "badly acted", "tiresome from start to end", "pure misery"]
THINGS = ["This film", "The new comedy", "Her second feature", "That western", "The sequel", "His debut"]
FRAMES = [
    "{thing} is {verdict}.",
    "We saw {thing} on a rainy day, and it was {verdict}.",
    "{thing}: {verdict}, whatever the posters say.<br /><br />Go and see for yourself.",
    "I had no idea what to expect of {thing}. It is {verdict}, and the music fits.",
]


def reviews() -> list[tuple[str, str]]:
    """288 short reviews, each said once, and whether it is positive."""
    rows = []
    for (good, bad), thing, frame in itertools.product(zip(GOOD, BAD, strict=True), THINGS, FRAMES):
        rows.append((frame.format(thing=thing, verdict=good), "good"))
        rows.append((frame.format(thing=thing, verdict=bad), "bad"))
    return rows


@pytest.fixture(autouse=True)
def no_store_left_behind() -> Iterator[None]:
    """Fail a test that names an MLflow store for the whole process: the tests after it would use that store."""
    yield
    assert os.environ.pop("MLFLOW_TRACKING_URI", None) is None


@dataclass
class Project:
    """A copy of the project in a git repository of its own, with a small corpus and a small network."""

    root: Path

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it; `python` and `dvc` are those of `fork_server`."""
        with self.start(*command, stderr=subprocess.PIPE, **environment) as process:
            try:
                found = process.communicate(timeout=600)
            finally:
                process.kill()
        if check and process.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{found[0]}\n{found[1]}")
        return subprocess.CompletedProcess(command, process.returncode, *found)

    def start(self, *command: str, stderr: int = subprocess.STDOUT, **environment: str) -> "subprocess.Popen[str]":
        """Start a command as `run` does."""
        first = [commands()] if command[0] in ("python", "dvc") and sys.platform == "linux" else []
        path = os.pathsep.join([*first, str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**os.environ, "PATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def copy_to(self, root: Path) -> "Project":
        """Copy it, links and MLflow store along, for a test that changes it."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)


def corpus_record(classes: list[str] | None = None, ordered: bool = False, **splits: int) -> dict[str, Any]:
    """Return the content of `corpus.json` of a corpus made by hand."""
    origin = {"name": "files", "source": "made up", "licence": "none", "citation": "none", "checksum": None}
    named = {"classes": classes or list(LABELS), "ordered": ordered}
    return {**origin, **named, "config": {}, "splits": splits, "left_out": {}}


def describe_dataset(
    folder: Path,
    words: int = 3,
    classes: list[str] | None = None,
    ordered: bool = False,
    text: Mapping[str, Any] | None = None,
    **splits: int,
) -> dict[str, Any]:
    """Write the `dataset.json` and `vocab.json` of a dataset made by hand, with so many words and reviews."""
    corpus = corpus_record(classes, ordered, **splits)
    made_by: dict[str, Any] = {"split": {}, "text": text or _default_text()}
    values = {"digest": "digest", "corpus": corpus, **made_by, "vocabulary": words, "splits": splits}
    Vocabulary([*SPECIALS, *(f"word{number}" for number in range(words - len(SPECIALS)))]).save(folder / "vocab.json")
    write_json(folder / "dataset.json", values)
    return values


TINY = """# @package _global_
defaults:
  - override /corpus: files
  - override /pretraining: none
corpus:
  path: reviews.csv
  text_column: review
  label_column: verdict
  labels: {negative: [bad], positive: [good]}
  keep_columns: [cinema]
model: {embedding_dim: 16, hidden_dim: 16, wide: {bits: 12}}
training: {epochs: 2, batch_size: 16, lr: 1e-2}
trainer: {threads: 1, precision: 32-true}
registry: {checks: {better_than_majority: {min: -9}, not_worse_than_baseline: {min: -1}, calibrated: {max: 1}}}
tracking: {system_metrics: false}
"""


def copy_project(root: Path) -> Project:
    """Copy the tracked and not ignored files of this checkout, without what a run of it left."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=WORKSPACE,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (WORKSPACE / name).is_file() and not name.startswith(("reports/", "dvc.lock", "params.yaml")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(WORKSPACE / name, root / name)
    (root / "data.dvc").write_text("deps:\n- path: downloads\nouts:\n- path: data\n")
    project = Project(root)
    project.run("git", "init", "--quiet")
    project.run("git", "config", "user.name", "A Tester")
    project.run("git", "config", "user.email", "tester@example.org")
    with (root / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "verdict", "cinema"])
        writer.writerows((text, label, f"screen {i % 3}") for i, (text, label) in enumerate(reviews()))
    (root / "conf" / "experiment" / "tiny.yaml").write_text(TINY)
    config = root / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("- experiment: null", "- experiment: tiny"))
    project.commit("A small corpus and a small network")
    keep_in_project(root)
    return project


IMPORTS = Path(".dvc", "tmp", "imports")
"""In the trained project, on Linux: a file for each stage, with the modules of the project that it has imported."""


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` fills once for all processes of this test run. It must not be changed."""
    several = "PYTEST_XDIST_WORKER" in os.environ
    base = factory.getbasetemp().parent if several else factory.getbasetemp()
    folder, made = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock"):
        if not made.exists():
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables without a row: creating them takes seconds, copying them none."""

    def create(folder: Path) -> None:
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_registered_models()

    return made_once(tmp_path_factory, "tables", create) / "mlflow.db"


def _train(root: Path) -> None:
    project = copy_project(root)
    imports = root / IMPORTS
    imports.mkdir(parents=True)
    project.run("dvc", "repro", **{RECORD_IMPORTS: str(imports)})
    project.commit("What the first run gave")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after its first `dvc repro`. Tests read it; those that change it use a copy of their own."""
    return Project(made_once(tmp_path_factory, "project", _train))


@cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    return compose_config(list(overrides))


def composed(*overrides: str) -> dict[str, Any]:
    """conf/ with these overrides, composed once in a process: that takes longer than most tests."""
    return deepcopy(_composed(overrides))


def configuration(*overrides: str) -> Config:
    """The validated configuration of conf/ with these overrides."""
    return validate(composed(*overrides))


@cache
def _default_text() -> dict[str, Any]:
    return configuration().text.model_dump()


@pytest.fixture(scope="session")
def compose() -> Callable[..., Config]:
    """`configuration`, for tests that need nothing else of this module."""
    return configuration
