"""A trained project on a full disk, without rights, in another locale, and after it was moved."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from tests.conftest import Project
from tests.support.pipeline_runs import edit
from tests.support.places import SmallDisk, as_plain_user, small_disk
from tests.torture.checks import leftovers, outputs, registry_faults

FULL = "make room there, then run the command again"


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    """A trained project to change, in a folder whose name needs care."""
    return trained.copy_to(tmp_path / "un projet d'été, n=1")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "300m") as mounted:
        yield mounted


@pytest.fixture
def on_disk(trained: Project, disk: SmallDisk) -> Project:
    """A trained project on a small disk."""
    project = trained.copy_to(disk.folder / "project")
    project.run("python", "-m", "pipeline.send")  # the store follows
    return project


def require_one_line(found: subprocess.CompletedProcess[str], *said: str) -> None:
    """It failed, and said why in the last line."""
    assert found.returncode == 1, found.stderr
    assert "Traceback" not in found.stderr
    line = found.stderr.splitlines()[-1]
    assert line.startswith("error: ") and all(part in line for part in said), line
    assert found.stderr.count("error: ") == 1


def forget_registration(project: Project) -> None:
    """Let `register` begin with an empty store."""
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")


@pytest.mark.parametrize(
    ("stage", "left"),
    [
        *(("download", 0), ("preprocess", 40_000), ("train", 0), ("train", 200_000), ("train", 500_000)),
        *(("evaluate", 0), ("evaluate", 200_000), ("register", 0), ("register", 1_000_000)),
    ],
)
def test_a_stage_on_a_full_disk_loses_nothing(on_disk: Project, disk: SmallDisk, stage: str, left: int) -> None:
    if stage == "register":
        forget_registration(on_disk)
    before = outputs(on_disk.root)
    disk.fill(left)
    require_one_line(on_disk.run("python", "-m", f"pipeline.{stage}", check=False), FULL)
    assert outputs(on_disk.root) == before
    assert not list(on_disk.root.glob("*/.*.tmp"))
    disk.make_room()
    on_disk.run("python", "-m", f"pipeline.{stage}")
    assert outputs(on_disk.root) == before
    assert [*leftovers(on_disk.root), *registry_faults(on_disk.root)] == []


@pytest.mark.parametrize(("left", "stage"), [(100_000, "pretrain"), (300_000, "train")])
def test_a_reproduction_on_a_full_disk_goes_on_when_there_is_room(
    on_disk: Project, disk: SmallDisk, project: Project, left: int, stage: str
) -> None:
    for each in (project, on_disk):
        edit(each, "reviews.csv", "is pure joy.,good", "is sheer joy.,good")
    project.run("dvc", "repro")
    forget_registration(on_disk)
    disk.fill(left)
    stopped = on_disk.run("dvc", "repro", check=False)
    assert "Traceback" not in stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith(f"ERROR: failed to reproduce '{stage}'")
    disk.make_room()
    on_disk.run("dvc", "repro")
    assert outputs(on_disk.root) == outputs(project.root)
    of_dvc = "left: .dvc/cache/"  # DVC's own copy into its cache leaves the part that fitted
    ours = [found for found in leftovers(on_disk.root) if not found.startswith(of_dvc)]
    assert [*ours, *registry_faults(on_disk.root)] == []


def test_a_page_that_does_not_fit_on_the_disk(on_disk: Project, disk: SmallDisk) -> None:
    arguments = ("--model", "artifacts/model", "a film", "--output", "reports/page.html")
    disk.fill()
    require_one_line(on_disk.run("python", "-m", "pipeline.explain", *arguments, check=False), "page.html", FULL)
    assert not list(on_disk.root.glob("reports/*page.html*"))


@pytest.mark.parametrize(
    ("name", "further"),
    [("un projet d'été", {}), ("project", {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})],
)
def test_a_reproduction_in_the_locale_c(project: Project, name: str, further: dict[str, str]) -> None:
    project = Project(project.root.rename(project.root.with_name(name)))
    edit(project, "reviews.csv", "is pure joy.,good", "is joie de vivre en été.,good")
    project.run("dvc", "repro", LC_ALL="C", **further)
    assert "été" in "".join(pq.read_table(project.root / "data" / "train.parquet")["text"].to_pylist())


@pytest.mark.parametrize(
    ("name", "rights", "command", "said"),
    [
        ("reviews.csv", 0o000, ("compose",), "reviews.csv: permission denied"),
        ("params.yaml", 0o000, ("evaluate",), "params.yaml: permission denied"),
        ("data/train.parquet", 0o000, ("preprocess",), "data/train.parquet: permission denied"),
        ("artifacts/dataset/train/ids.npy", 0o000, ("train",), "train/ids.npy: permission denied"),
        ("reports", 0o500, ("evaluate",), "reports/speed.json: permission denied"),
        ("artifacts", 0o500, ("preprocess",), "artifacts/dataset: permission denied"),
        ("mlflow.db", 0o400, ("train",), "attempt to write a readonly database; make it writable"),
        ("mlflow.db", 0o000, ("register",), "unable to open database file; change its permissions"),
        ("artifacts/model", 0o000, ("predict", "a film"), "config.json: permission denied"),
        ("artifacts/model/model.safetensors", 0o000, ("predict", "a film"), "model.safetensors: permission denied"),
        ("reports", 0o500, ("explain", "a film", "--output", "reports/page.html"), "page.html: permission denied"),
    ],
)
def test_what_may_not_be_read_or_written_is_named(
    project: Project, name: str, rights: int, command: tuple[str, ...], said: str
) -> None:
    project.run("python", "-m", "pipeline.send")  # the store follows
    before, path = outputs(project.root), project.root / name
    usual = path.stat().st_mode
    path.chmod(rights)
    try:
        require_one_line(
            project.run(*as_plain_user(), "python", "-m", f"pipeline.{command[0]}", *command[1:], check=False), said
        )
    finally:
        path.chmod(usual)
    assert outputs(project.root) == before


def test_a_moved_project_goes_on(project: Project) -> None:
    moved = Project(project.root.rename(project.root.with_name("nach dem Umzug")))
    assert moved.run("dvc", "status").stdout.split() == ["compose:", "always", "changed"]
    answer = moved.run("python", "-m", "pipeline.predict", "--model", "models:/sentiment@champion", "a small wonder")
    assert answer.stdout.startswith("positive")
    assert "champion already" in moved.run("python", "-m", "pipeline.register").stderr
    assert registry_faults(moved.root) == []
    client = MlflowClient(f"sqlite:///{moved.root}/mlflow.db")
    for run in client.search_runs([client.get_experiment_by_name("sentiment").experiment_id]):
        assert Path(client.download_artifacts(run.info.run_id, "config.yaml")).read_text().startswith("seed:")


def test_a_stage_may_be_called_from_a_folder_within_and_from_elsewhere(project: Project, tmp_path: Path) -> None:
    for place in ("pipeline", "docs", ".."):
        elsewhere = Project(project.root / place)
        elsewhere.run("python", "-m", "pipeline.register", PYTHONPATH=str(project.root))
    assert "champion" in project.run("python", "pipeline/register.py", PYTHONPATH=str(project.root)).stderr
    assert not list(tmp_path.glob("mlflow.db*"))
    found = Project(project.root / "docs").run("dvc", "repro", check=False)
    assert found.returncode and "docs/dvc.yaml' does not exist" in found.stderr
