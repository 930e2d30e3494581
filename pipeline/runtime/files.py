"""Writing files so that a reader never sees half of one."""

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.paths import project_root

Schema = TypeVar("Schema", bound=BaseModel)

LARGEST_TEXT = 64 * 2**20
"""Bytes of a file that is held whole, which as Python's objects may take twenty times as many."""


class Record(BaseModel):
    """A JSON file that the pipeline has written, or a part of one, as a later command reads it.

    The fields are what is relied on; what the file holds beyond them is for people. No value is converted: a number
    in quotes is an edit.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)


@contextmanager
def replace(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write a file or folder at; on success it takes `path`'s place.

    On an exception nothing stays behind and what was at `path` is untouched. What a killed process has left of an
    attempt to write the same is removed first; no process writes the same path twice at once.

    Raises:
        PipelineError: the operating system refuses it: a full disk, a missing permission; or what is at `path` is
            neither a file nor a folder, or a folder that a file would replace.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old.tmp")
    with translate_os_errors(path):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise PipelineError(f"{path} is no regular file; name another")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        try:
            yield temporary
            if path.is_dir() and temporary.is_file():
                raise PipelineError(f"{path} is a folder; name a file")
            if temporary.is_dir() and os.path.lexists(path):  # also a link: no folder takes the place of one
                path.replace(old)  # at once: whoever is killed while he removes a folder leaves a part of it
            temporary.replace(path)
        finally:
            if os.path.lexists(old) and not os.path.lexists(path):
                old.replace(path)
            _remove(temporary)
            _remove(old)


def lies_in(path: Path, folder: Path) -> bool:
    """Tell whether a path lies below a folder, wherever links lead: asked of every path that comes from outside."""
    path, folder = path.resolve(), folder.resolve()
    return path != folder and path.is_relative_to(folder)


def followed(path: Path) -> Path:
    """Where a link leads. What a user names is written through it; what DVC has linked from its cache is replaced.

    Raises:
        OSError: to itself.
    """
    if not path.is_symlink():
        return path
    with suppress(FileNotFoundError):  # to where there is nothing yet
        path.stat()
    return path.resolve()


def _remove_left_behind(path: Path) -> None:
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d{{1,9}})(\.old)?\.tmp")
    for beside in path.parent.iterdir():
        match = pattern.fullmatch(beside.name)
        if match and not _another_runs(int(match[1])):
            _remove(beside)


def _another_runs(process: int) -> bool:
    """Whether another process than this one has the number now."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return process != os.getpid()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(lock: Path, waiting: str) -> Iterator[None]:
    """Let one process at a time into the block, logging `waiting` if it must wait; a lock dies with its process."""
    file = FileLock(lock)
    try:
        file.acquire(blocking=False)
    except Timeout:
        logging.getLogger(__name__).warning(waiting)
        file.acquire()
    try:
        yield
    finally:
        file.release()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replace(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def replace_generated(page: Path, command: str, text: str) -> None:
    """Replace what stands between the two markers on a page of documentation that name the command generating it.

    Raises:
        PipelineError: the page has not both markers.
    """
    begin, end = (f"<!-- generated by `{command}`: {edge} -->" for edge in ("begin", "end"))
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not found or not closing:
        raise PipelineError(f"{page} lacks the markers {begin} and {end}; put them back where the figures belong")
    write_text(page, f"{before}{begin}\n\n{text}\n\n{end}{after}")


def existing_file(key: str, name: str) -> Path:
    """The path of a file of the user's, which the configuration names under `key` relative to the project root.

    Raises:
        PipelineError: there is no such file.
    """
    root = project_root()
    try:
        path = root / Path(name).expanduser()
        found = path.is_file()
    except PermissionError:  # of a folder above it
        raise
    except (OSError, RuntimeError):  # a name that is too long, the home of a user who is not there
        path, found = root / name, False
    if not found:
        raise PipelineError(f"{key}: there is no file {path}; correct the path (relative ones start at {root})")
    return path


def packaged_file(key: str, package: str, name: str, remedy: str) -> Path:
    """The path of a file in an installed package, which is not imported.

    Args:
        key: of the configuration that names the package.
        package: its name.
        name: of the file, relative to where packages are installed.
        remedy: how to install it.

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


def read_bounded(path: Path, remedy: str) -> str:
    """Read a file of text that is held whole.

    Raises:
        PipelineError: it is larger than `LARGEST_TEXT`.
    """
    if (size := path.stat().st_size) > LARGEST_TEXT:
        raise PipelineError(f"{path} is damaged: it has {size:,} bytes, more than any of its kind; {remedy}")
    return path.read_text(encoding="utf-8")


def read_json(path: Path, schema: type[Schema], remedy: str) -> Schema:
    """Read a JSON object that fits the schema.

    Raises:
        PipelineError: the file is missing or damaged; ends with the remedy, such as "run `dvc repro`".
    """
    try:
        values = json.loads(read_bounded(path, remedy))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; {remedy}") from None
    except (ValueError, RecursionError):
        raise PipelineError(f"{path} is damaged: it is not JSON; {remedy}") from None
    if not isinstance(values, dict):
        raise PipelineError(f"{path} is damaged: it is not a JSON object; {remedy}")
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise PipelineError(f"{path} is damaged: {first_problem(error)}; {remedy}") from None


def first_problem(error: ValidationError) -> str:
    """The first thing that does not fit a schema, as a part of a line."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    match problem["type"]:
        case "missing":
            return f"it has no {key!r}"
        case "value_error":
            return str(problem["ctx"]["error"])
    return f"{key!r}: {problem['msg']}, got {shortened(problem['input'])}"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in their order.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
