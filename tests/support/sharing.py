"""What two people who share a DVC remote do, as docs/share-results.md says."""

from collections.abc import Mapping
from pathlib import Path

from tests.conftest import Project


def share(trained: Project, folder: Path, url: str, settings: Mapping[str, str]) -> Project:
    """Copy a trained project to `folder`, its reviews under DVC, and push it to a remote.

    Args:
        trained: a project after `dvc repro`.
        folder: of the copy.
        url: of the remote; goes into git.
        settings: of the remote on this machine alone.
    """
    project = trained.copy_to(folder)
    project.run("git", "rm", "--quiet", "--cached", "reviews.csv")
    project.run("dvc", "add", "reviews.csv")
    project.run("dvc", "remote", "add", "--default", "team", url)
    project.commit("Reviews under DVC, and a remote for the team")
    _set(project, settings)
    project.run("dvc", "push")
    return project


def clone(first: Project, folder: Path, settings: Mapping[str, str], *pull: str) -> Project:
    """Clone a shared project and pull what is on its remote.

    Args:
        first: from `share`.
        folder: of the clone.
        settings: of the remote on this machine alone.
        pull: options of `dvc pull`.
    """
    first.run("git", "clone", "--quiet", str(first.root), str(folder))
    project = Project(folder)
    _set(project, settings)
    project.run("dvc", "pull", *pull)
    return project


def _set(project: Project, settings: Mapping[str, str]) -> None:
    for key, value in settings.items():
        project.run("dvc", "remote", "modify", "--local", "team", key, value)
