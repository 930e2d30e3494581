"""DVC's site cache is inside the project, and writable for nobody else."""

import stat
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.site_cache import SITE_CACHE, keep_in_project
from tests.conftest import Project, copy_project


def site_cache_of(root: Path) -> Path:
    """Return the site cache that DVC uses for a project; DVC creates it, as in each of its commands."""
    with Repo(str(root)) as repo:
        return Path(repo.site_cache_dir)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a project in which DVC has not run."""
    (tmp_path / "a project, larger" / ".dvc").mkdir(parents=True)
    (tmp_path / "a project, larger" / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    return tmp_path / "a project, larger"


def test_dvc_uses_a_folder_of_the_project_that_others_cannot_write_in(root: Path, monkeypatch) -> None:
    keep_in_project(root)
    monkeypatch.chdir(root)
    used = site_cache_of(root)
    assert used.parent == root / SITE_CACHE / "repo"
    for folder in (root / SITE_CACHE, used.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((root / ".dvc" / "tmp").stat().st_mode)
        assert not folder.stat().st_mode & stat.S_IWOTH
    assert not Path("/var/tmp/dvc/repo", used.name).exists()  # the default of DVC


def test_a_folder_that_dvc_made_itself_is_closed_to_others(root: Path) -> None:
    keep_in_project(root)
    (root / SITE_CACHE / "repo").rmdir()
    (root / SITE_CACHE).rmdir()
    used = site_cache_of(root)
    assert used.parent.stat().st_mode & stat.S_IWOTH
    keep_in_project(root)
    assert not used.parent.stat().st_mode & stat.S_IWOTH


def test_the_folder_moves_with_the_project(root: Path) -> None:
    keep_in_project(root)
    moved = root.rename(root.with_name("moved"))
    keep_in_project(moved)
    assert site_cache_of(moved).is_relative_to(moved)
    assert not root.exists()


def test_other_local_settings_stay(root: Path) -> None:
    local = root / ".dvc" / "config.local"
    local.write_text("# mine\n[core]\n    remote = team\n['remote \"team\"']\n    url = ssh://host\n    password = x\n")
    local.chmod(0o600)
    keep_in_project(root)
    once = local.read_text()
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert once.replace(f'    site_cache_dir = "{root / SITE_CACHE}"\n', "").startswith(
        "# mine\n[core]\n    remote = team\n"
    )
    with Repo(str(root)) as repo:
        assert repo.config["remote"]["team"]["password"] == "x"
        assert repo.config["core"]["site_cache_dir"] == str(root / SITE_CACHE)
    keep_in_project(root)
    assert local.read_text() == once


def test_a_folder_that_the_user_has_set_stays(root: Path, tmp_path: Path, monkeypatch) -> None:
    local = root / ".dvc" / "config.local"
    local.write_text(f"[core]\n    site_cache_dir = {tmp_path}\n")
    keep_in_project(root)
    assert site_cache_of(root).is_relative_to(tmp_path)
    local.unlink()
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    keep_in_project(root)
    assert not local.exists()


def test_a_path_that_dvc_cannot_hold_is_reported(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """DVC writes its configuration as ASCII, and would empty the file at the next `dvc config --local`."""
    renamed = root.rename(root.with_name("größer"))
    keep_in_project(renamed)
    (message,) = caplog.messages
    assert "set DVC_SITE_CACHE_DIR" in message and str(renamed) in message
    assert not (renamed / ".dvc" / "config.local").exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))


def test_the_first_stage_sets_it_in_a_clone(project: Project) -> None:
    (project.root / ".dvc" / "config.local").unlink()
    project.run("python", "-m", "pipeline.compose")
    assert f'site_cache_dir = "{project.root / SITE_CACHE}"' in (project.root / ".dvc" / "config.local").read_text()
    assert ".dvc" not in project.run("git", "status", "--porcelain").stdout


def test_dvc_uses_it_from_a_subfolder_too(project: Project) -> None:
    keep_in_project(project.root)
    project.run("dvc", "--cd", "conf", "status")
    (used,) = (project.root / SITE_CACHE / "repo").iterdir()
    assert not Path("/var/tmp/dvc/repo", used.name).exists()
    assert not (project.root / "conf" / ".dvc").exists()
