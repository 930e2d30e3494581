"""Writing files so that a reader never sees half of one."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.errors import PipelineError


@contextmanager
def replace(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write a file or folder at; on success it takes `path`'s place.

    On an exception nothing stays behind and what was at `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


@contextmanager
def only_one(lock: Path, waiting: str) -> Iterator[None]:
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


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers of a page.

    Raises:
        PipelineError: the page has not both markers.
    """
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not found or not closing:
        raise PipelineError(f"{page} lacks the markers {begin} and {end}; put them back where the figures belong")
    write_text(page, f"{before}{begin}\n\n{text}\n\n{end}{after}")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        PipelineError: the file is missing or damaged; ends with the remedy, such as "run `dvc repro`".
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; {remedy}") from None
    except ValueError:
        raise PipelineError(f"{path} is damaged: it is not JSON; {remedy}") from None
    if not isinstance(values, dict):
        raise PipelineError(f"{path} is damaged: it is not a JSON object; {remedy}")
    return values


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in their order.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
