"""DVC's site cache is inside the project, and open to nobody else."""

import stat
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.site_cache import FOLDER, keep_in_project
from tests.conftest import Project, copy_project


def used_by_dvc(root: Path) -> Path:
    """The folder DVC uses for this project; made, as by every command of DVC's."""
    with Repo(str(root)) as repo:
        return Path(repo.site_cache_dir)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in which DVC has not run."""
    (tmp_path / "a project, larger" / ".dvc").mkdir(parents=True)
    (tmp_path / "a project, larger" / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    return tmp_path / "a project, larger"


def test_dvc_uses_a_folder_of_the_project_that_others_cannot_write_in(root: Path, monkeypatch) -> None:
    keep_in_project(root)
    monkeypatch.chdir(root)
    used = used_by_dvc(root)
    assert used.parent == root / FOLDER / "repo"
    for folder in (root / FOLDER, used.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((root / ".dvc" / "tmp").stat().st_mode)
        assert not folder.stat().st_mode & stat.S_IWOTH
    assert not Path("/var/tmp/dvc/repo", used.name).exists()  # where DVC would have put it


def test_a_folder_that_dvc_made_itself_is_closed_to_others(root: Path) -> None:
    keep_in_project(root)
    (root / FOLDER / "repo").rmdir()
    (root / FOLDER).rmdir()
    used = used_by_dvc(root)
    assert used.parent.stat().st_mode & stat.S_IWOTH
    keep_in_project(root)
    assert not used.parent.stat().st_mode & stat.S_IWOTH


def test_the_folder_moves_with_the_project(root: Path) -> None:
    keep_in_project(root)
    moved = root.rename(root.with_name("moved"))
    keep_in_project(moved)
    assert used_by_dvc(moved).is_relative_to(moved)
    assert not root.exists()


def test_what_else_is_in_the_local_configuration_stays(root: Path) -> None:
    local = root / ".dvc" / "config.local"
    local.write_text("# mine\n[core]\n    remote = team\n['remote \"team\"']\n    url = ssh://host\n    password = x\n")
    local.chmod(0o600)
    keep_in_project(root)
    once = local.read_text()
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert once.replace(f'    site_cache_dir = "{root / FOLDER}"\n', "").startswith(
        "# mine\n[core]\n    remote = team\n"
    )
    with Repo(str(root)) as repo:
        assert repo.config["remote"]["team"]["password"] == "x"
        assert repo.config["core"]["site_cache_dir"] == str(root / FOLDER)
    keep_in_project(root)
    assert local.read_text() == once


def test_a_folder_that_the_user_has_chosen_stays(root: Path, tmp_path: Path, monkeypatch) -> None:
    local = root / ".dvc" / "config.local"
    local.write_text(f"[core]\n    site_cache_dir = {tmp_path}\n")
    keep_in_project(root)
    assert used_by_dvc(root).is_relative_to(tmp_path)
    local.unlink()
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    keep_in_project(root)
    assert not local.exists()


def test_where_dvc_cannot_note_the_path_the_user_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """DVC writes its configuration as ASCII: it would empty the file at the next `dvc config --local`."""
    named = root.rename(root.with_name("größer"))
    keep_in_project(named)
    (message,) = caplog.messages
    assert "set DVC_SITE_CACHE_DIR" in message and str(named) in message
    assert not (named / ".dvc" / "config.local").exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))


def test_the_first_stage_sees_to_it_in_a_clone(project: Project) -> None:
    (project.root / ".dvc" / "config.local").unlink()
    project.run("python", "-m", "pipeline.compose")
    assert f'site_cache_dir = "{project.root / FOLDER}"' in (project.root / ".dvc" / "config.local").read_text()
    assert ".dvc" not in project.run("git", "status", "--porcelain").stdout


def test_dvc_uses_it_from_a_subfolder_too(project: Project) -> None:
    keep_in_project(project.root)
    project.run("dvc", "--cd", "conf", "status")
    (used,) = (project.root / FOLDER / "repo").iterdir()
    assert not Path("/var/tmp/dvc/repo", used.name).exists()
    assert not (project.root / "conf" / ".dvc").exists()
