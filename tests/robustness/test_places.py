"""Full disks, read-only folders, other locales, other folders: one clear line, and nothing is lost."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.tracking.store import connect
from pipeline.training.checkpoints import AtomicCheckpoints
from tests.conftest import configuration
from tests.support.commands import SmallProject, prepared, project
from tests.support.places import SmallDisk, small_disk

__all__ = ["prepared", "project"]  # fixtures

MANY = 200_000
WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("x" * MANY),
    "numpy": lambda path: np.save(path.open("wb"), np.ones(MANY)),
    "checkpoint": lambda path: AtomicCheckpoints().save_checkpoint({"weights": torch.ones(MANY)}, path),
    "safetensors": lambda path: save_file({"weights": torch.ones(MANY)}, path),
    "parquet": lambda path: pq.write_table(pa.table({"x": np.random.default_rng(0).random(MANY)}), path),
    "png": lambda path: plt.imsave(path, np.random.default_rng(0).random((300, 300)), format="png"),
}
TOO_LARGE = "larger than a file may be; raise the limit (ulimit -f), then run the command again"
FULL = "no space left; make room there, then run the command again"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "20m") as mounted:
        yield mounted


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """Function that sets the largest size of a file this process may write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("left", [0, 4096, 100_000])
@pytest.mark.parametrize("writer", WRITERS)
def test_whoever_writes_a_full_disk_is_said_in_the_same_words(disk: SmallDisk, writer: str, left: int) -> None:
    path = disk.folder / "reports" / "result"
    write_text(path, "earlier")
    disk.fill(left)
    with pytest.raises(PipelineError) as refused, replace(path) as temporary:
        WRITERS[writer](temporary)
    assert str(refused.value) == f"{path}: {FULL}"
    assert [file.name for file in path.parent.iterdir()] == ["result"]
    assert path.read_text() == "earlier"
    disk.make_room()
    with replace(path) as temporary:
        WRITERS[writer](temporary)


def test_a_disk_that_may_not_be_written_is_named(disk: SmallDisk) -> None:
    path = disk.folder / "result"
    with disk.read_only(), pytest.raises(PipelineError, match=f"^{path}: read-only; make it writable"):
        write_text(path, "text")
    with disk.read_only(), pytest.raises(PipelineError, match="read-only"):
        write_text(disk.folder / "reports" / "result", "text")


@pytest.fixture
def on_disk(prepared: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    shutil.copytree(prepared, disk.folder / "project")
    return SmallProject(disk.folder / "project", monkeypatch)


def test_a_dataset_that_does_not_fit_on_the_disk(
    on_disk: SmallProject, disk: SmallDisk, capfd: pytest.CaptureFixture[str]
) -> None:
    before = on_disk.contents()
    for left in (0, 40_000):
        disk.fill(left)
        assert on_disk.run("preprocess") == 1
        assert capfd.readouterr().err == f"error: {on_disk.root}/artifacts/dataset: {FULL}\n"
        assert on_disk.contents() == before
    disk.make_room()
    assert on_disk.run("preprocess") == 0
    assert on_disk.contents() == before


def test_answers_larger_than_a_file_may_be(
    project: SmallProject, limit: Callable[[int], None], capfd: pytest.CaptureFixture[str]
) -> None:
    limit(4096)
    arguments = ("--model", "artifacts/model", "--input", "reviews.csv", "--column", "review", "--output", "a.csv")
    assert project.run("predict", *arguments) == 1
    assert capfd.readouterr().err.splitlines()[-1] == f"error: a.csv: {TOO_LARGE}"
    assert not list(project.root.glob("*a.csv*"))


@pytest.mark.parametrize("name", ["what?", "100%20"])
def test_a_path_that_no_database_can_have_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / name))
    with pytest.raises(PipelineError, match=r"cannot have \? or % in its path; rename"):
        connect(configuration().tracking)
    assert not list(tmp_path.iterdir())


def test_a_text_of_any_language_where_python_knows_only_ascii(prepared: Path) -> None:
    command = [sys.executable, "-m", "pipeline.predict", "--model", prepared / "artifacts" / "model", "été"]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run(command, cwd=WORKSPACE, env={**os.environ, **ascii_only}, capture_output=True, check=True)
    assert ended.stdout.endswith("\tété\n".encode())
