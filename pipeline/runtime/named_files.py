"""Files that the configuration names: the user's own, and those inside installed packages."""

import glob
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE, project_root


def existing_file(key: str, name: str) -> Path:
    """Return the path of a user's file, given relative to the project root.

    A queued experiment gets a file that git knows from its own checkout, as it was when the experiment was queued.

    Args:
        key: configuration key that names the file.
        name: value of the key.

    Raises:
        PipelineError: there is no such file.
    """
    root = project_root()
    named = Path(name)
    try:
        named = named.expanduser()
        found = [folder / named for folder in (WORKSPACE, root) if (folder / named).is_file()]
    except PermissionError:  # for a folder above it
        raise
    except (OSError, RuntimeError):  # the name is too long, or is the home of a user who does not exist
        found = []
    if not found:
        raise PipelineError(f"{key}: there is no file {root / named}; correct the path (relative ones start at {root})")
    return found[0]


def existing_files(key: str, name: str) -> list[Path]:
    """Return the files that a user names: a file, all files in a folder, or those that fit a pattern, by name.

    Hidden files are left out.

    Args:
        key: configuration key that names the files.
        name: value of the key.

    Raises:
        PipelineError: there is no such file.
    """
    root = project_root()
    try:
        path = root / Path(name).expanduser()
        if path.is_dir():
            found = [(file, file.relative_to(path).parts) for file in path.rglob("*")]
        elif not path.exists() and glob.has_magic(name):
            found = [(file, (file.name,)) for file in Path(path.anchor).glob(str(path.relative_to(path.anchor)))]
        else:
            return [existing_file(key, name)]
    except (OSError, RuntimeError) as error:
        if isinstance(error, PermissionError):
            raise
        return [existing_file(key, name)]
    if files := sorted(f for f, parts in found if f.is_file() and not any(part.startswith(".") for part in parts)):
        return files
    raise PipelineError(f"{key}: {path} has no file; correct the path (relative ones start at {root})")


def packaged_file(key: str, package: str, name: str, remedy: str) -> Path:
    """Return the path of a file in an installed package, without importing the package.

    Args:
        key: configuration key that names the package.
        package: name of the package.
        name: path of the file, relative to the folder that packages are installed in.
        remedy: command that installs the package.

    Raises:
        PipelineError: there is no such package or file.
    """
    try:
        path = Path(str(distribution(package).locate_file(name)))
    except PackageNotFoundError:
        raise PipelineError(f"{key}: the package {package} is not installed; {remedy}") from None
    if not path.is_file():
        raise PipelineError(f"{key}: the package {package} has no file {name}; {remedy}")
    return path
