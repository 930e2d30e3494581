"""Files that the configuration names: the user's own, and those inside installed packages."""

import glob
import os
from collections.abc import Iterator, Sequence
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
        candidates = [folder / named for folder in (WORKSPACE, root) if (folder / named).is_file()]
    except PermissionError:  # for a folder above it
        raise
    except (OSError, RuntimeError):  # the name is too long, or is the home of a user who does not exist
        candidates = []
    if not candidates:
        raise PipelineError(f"{key}: there is no file {root / named}; correct the path (relative ones start at {root})")
    return candidates[0]


def existing_files(key: str, name: str) -> list[Path]:
    """Return the files that a user names: a file, all files in a folder, or those that match a pattern, sorted by name.

    Links are followed. Hidden files are left out.

    Args:
        key: configuration key that names the files.
        name: value of the key.

    Raises:
        PipelineError: there is no such file, or a link is broken.
    """
    root = project_root()
    try:
        path = root / Path(name).expanduser()
        if path.is_dir():
            matches = _matching(path, ["**"])
        elif not path.exists() and glob.has_magic(name):
            matches = _matching(Path(path.anchor), path.parts[1:])
        else:
            return [existing_file(key, name)]
        visible = sorted({file for file in matches if not file.name.startswith(".")})
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: `**` beside other characters
        if isinstance(error, PermissionError):
            raise
        return [existing_file(key, name)]
    if dangling := [file for file in visible if not file.exists()]:
        raise PipelineError(f"{key}: {dangling[0]} is a link to a file that is not there; correct or delete the link")
    if files := [file for file in visible if file.is_file()]:
        return files
    raise PipelineError(f"{key}: {path} has no file; correct the path (relative ones start at {root})")


def _matching(folder: Path, pattern: Sequence[str]) -> Iterator[Path]:
    """Yield the paths that match the parts of a pattern; `**` is any number of folders, at the end with all in them."""
    if "**" not in pattern:
        yield from folder.glob("/".join(pattern))
        return
    place = pattern.index("**")
    for start in folder.glob("/".join(pattern[:place])) if place else [folder]:
        for below in _folders(start):
            yield from _matching(below, pattern[place + 1 :] or ["*"])


def _folders(folder: Path) -> Iterator[Path]:
    """Yield a folder and those below it except hidden ones, following links; each once, as links may form a loop."""
    seen = set()

    def stop(error: OSError) -> None:
        raise error

    for root, folders, _ in os.walk(folder, onerror=stop, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (real := os.path.realpath(root)) in seen:
            folders.clear()
        else:
            seen.add(real)
            yield Path(root)


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
