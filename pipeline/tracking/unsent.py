"""Send what earlier trainings could not: the folders of `.unsent/` in the project root, each named after its run.

A folder is locked while its training runs, and while it is sent. A single value that the store refuses as invalid, such
as a parameter whose name it does not allow, holds back nothing else: it is left out, and the user is told.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import project_root
from pipeline.tracking.errors import reason
from pipeline.tracking.journal import (
    JOURNAL,
    Entry,
    entry_name,
    first_batch,
    note_sent,
    read_journal,
    send_batch,
    single_values,
)
from pipeline.tracking.query import find_run
from pipeline.tracking.store import BESIDE_STORE, Store

UNSENT = ".unsent"
TOLD = "deleted"
"""File in the folder of a deleted run that says that the user was told."""
INVALID = "INVALID_PARAMETER_VALUE"
"""MLflow's code for a value that it refuses, and for anything that is logged to a deleted run."""

log = logging.getLogger(__name__)


def send_unsent(store: Store) -> list[Path]:
    """Send what earlier trainings could not; a run whose process was killed ends KILLED, unless a sweep has ended it.

    Trainings that are still running send for themselves.

    Returns:
        The folders that are still waiting: for another store, or because this one did not take them.
    """
    folders = {path.with_suffix("") for path in _unsent_folder().glob("*")}  # also those of which only the lock is left
    return [folder for folder in sorted(folders) if not _send_folder(store, folder)]


def deleted_runs(store: Store, discard: bool) -> list[Path]:
    """Find the folders of runs that were deleted from the store; trainings that are still running are left alone.

    Args:
        store: an open store.
        discard: remove them; else the caller tells the user about them, and no training does so again.

    Returns:
        The folders.
    """
    folders = sorted(folder for folder in _unsent_folder().glob("*") if folder.is_dir())
    return [folder for folder in folders if _belongs_to_deleted(store, folder, discard)]


def remedy_for_deleted(folder: Path) -> str:
    """Return the part of a message that says what to do about the folder of a deleted run."""
    return (
        f"what it logged waits in {folder}: restore the run in the MLflow UI and run `python -m pipeline.send`, or "
        "remove it with `python -m pipeline.send --discard`"
    )


def is_copy_of(store: Store, root: str) -> bool:
    """Return whether this project is a copy of the one in the folder `root`, and logs to the same store.

    A project that was moved is no longer in its old folder; one that was copied with its store has a store of its own.

    Args:
        store: an open store.
        root: root of the project that logged something; empty if it is not known.
    """
    if not root or store.project == BESIDE_STORE or not (Path(root) / UNSENT).is_dir():
        return False
    return not Path(root).samefile(project_root())


def unsent_folder_of(run_id: str) -> Path:
    """Return the folder in which a run's journal and files wait."""
    return _unsent_folder() / run_id


def folder_lock(folder: Path) -> FileLock:
    """Return the lock of a folder, not yet acquired; release it with `release`."""
    folder.parent.mkdir(exist_ok=True)
    return FileLock(folder.with_suffix(".lock"))


def release(lock: FileLock) -> None:
    """Remove a lock's file and release the lock."""
    Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: a process that waits for it makes a new one
    lock.release()


def was_deleted(store: Store, folder: Path) -> bool:
    """Return whether the store reports that the run of a folder was deleted; False if it does not answer."""
    try:
        _require_own(store, read_journal(folder / JOURNAL)[0])
        return str(store.client.get_run(folder.name).info.lifecycle_stage) == "deleted"
    except MlflowException as error:
        return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
    except (PipelineError, OSError, IndexError):
        return False


def send_valid(store: Store, folder: Path, batch: Sequence[Entry]) -> list[str]:
    """Send a batch from `first_batch`, without what the store refuses as invalid.

    Args:
        store: an open store.
        folder: of the run.
        batch: entries.

    Returns:
        Each value that was refused, with the reason.

    Raises:
        Exception: the store did not take it for another reason, or the run was deleted.
    """
    try:
        send_batch(store.client, folder.name, folder, batch)
        return []
    except MlflowException as error:
        _require_invalid(error, store, folder)
    refused = []
    for value in single_values(batch):
        try:
            send_batch(store.client, folder.name, folder, [value])
        except MlflowException as error:
            _require_invalid(error, store, folder)
            refused.append(f"{entry_name(value)} ({reason(error)})")
    return refused


def _require_invalid(error: MlflowException, store: Store, folder: Path) -> None:
    if error.error_code != INVALID or was_deleted(store, folder):
        raise error


def tell_refused(store: Store, run_id: str, refused: Sequence[str]) -> None:
    """Warn about what `send_valid` has left out, if anything."""
    if refused:
        names = "; ".join(f"{name}, {times} times" if times > 1 else name for name, times in Counter(refused).items())
        log.warning(
            "MLflow run %s: %s refused %d of the values that were logged, and the run is without them: %s",
            run_id,
            store.name,
            len(refused),
            names,
        )


def tell_once(store: Store, folder: Path) -> None:
    """Warn about the folder of a deleted run, unless the user has been told before."""
    if not (folder / TOLD).exists():
        log.warning("MLflow run %s was deleted from %s; %s", folder.name, store.name, remedy_for_deleted(folder))
        with suppress(OSError):  # a full disk, for example
            (folder / TOLD).touch()


def _unsent_folder() -> Path:
    return project_root() / UNSENT


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder.

    Raises:
        Timeout: its training is still running, or another process sends it.
    """
    lock = folder_lock(folder)
    lock.acquire(blocking=False)
    try:
        yield
    finally:
        release(lock)


def _belongs_to_deleted(store: Store, folder: Path, discard: bool) -> bool:
    with suppress(Timeout), _locked(folder):
        if not was_deleted(store, folder):
            return False
        if discard:
            shutil.rmtree(folder)
        else:
            (folder / TOLD).touch()
        return True
    return False


def _send_folder(store: Store, folder: Path) -> bool:
    """Send a folder; False if it is still waiting."""
    with suppress(Timeout), _locked(folder):
        try:
            return _send_locked(store, folder)
        except Exception as error:  # one folder that cannot be sent must not hold back the others
            log.warning("MLflow run %s: what waits in %s was not sent: %s", folder.name, folder, reason(error))
            return False
    return True


def _send_locked(store: Store, folder: Path) -> bool:
    journal = folder / JOURNAL
    if journal.exists() and (entries := read_journal(journal)):
        _require_own(store, entries[0])
        if was_deleted(store, folder):
            tell_once(store, folder)
            return False
        _send_journal(store, journal, entries[1:])
    elif _is_running(store, folder.name):  # it was killed before it logged anything
        store.client.set_terminated(folder.name, "KILLED")
    if folder.exists():
        shutil.rmtree(folder)
    return True


def _require_own(store: Store, header: Entry) -> None:
    if header["store"] != store.lasting_name:
        raise PipelineError(f"it is for {header['store']}; set MLFLOW_TRACKING_URI to that to send it")
    if is_copy_of(store, header.get("root", "")):
        raise PipelineError(
            f"the project in {header['root']}, of which this one is a copy, sends it; delete that folder"
        )


def _send_journal(store: Store, journal: Path, entries: list[Entry]) -> None:
    ended = bool(entries) and "status" in entries[-1]
    if not ended and _is_running(store, journal.parent.name):
        entries.append({"status": "KILLED", "at": int(journal.stat().st_mtime * 1000)})
    refused = []
    while batch := first_batch(entries):
        refused += send_valid(store, journal.parent, batch)
        note_sent(journal, len(batch))
        del entries[: len(batch)]
    tell_refused(store, journal.parent.name, refused)


def _is_running(store: Store, run_id: str) -> bool:
    """Return whether a run is RUNNING in the store; a sweep may have ended a killed trial, with the reason."""
    run = find_run(store, run_id)  # it may be of another experiment than the present one
    return run is not None and str(run.info.status) == "RUNNING"
