"""Between a training and its MLflow store: the training never waits for the store, and nothing logged is lost.

What a run logs is written to a journal under `.unsent/` in the project root, and sent by a thread. A server that is
away is asked again and again; what it has not taken when the training ends stays in `.unsent/` for `send_unsent`.
"""

import json
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.paths import project_root
from pipeline.tracking.journal import JOURNAL, Entry, first_batch, read_journal, send
from pipeline.tracking.query import equals
from pipeline.tracking.store import Store, reason

PAUSE_SECONDS = 1.0
"""Between two attempts to reach a server that is away."""
REFUSALS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
"""What no second attempt would change: the run was deleted, say."""

TOLD = "deleted"
"""File in the folder of a run that was deleted: the user was told so."""

log = logging.getLogger(__name__)


class Outbox:
    """Takes what is logged to one run and sends it, in order.

    Args:
        store: an open store.
        run_id: of the run.

    Raises:
        PipelineError: an earlier process left something for this run that could not be sent.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self.folder = _unsent_folder() / run_id
        self._lock = _lock(self.folder)
        self._lock.acquire()
        if self.folder.exists():
            _release(self._lock)
            raise PipelineError(
                f"MLflow run {run_id} cannot be resumed before what waits in {self.folder} is sent; "
                "run `python -m pipeline.send`, or delete that folder"
            )
        self.folder.mkdir()
        self._journal = (self.folder / JOURNAL).open("a", encoding="utf-8")
        self._write({"store": store.lasting_name})
        self._entries: list[Entry] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failure: Exception | None = None
        self._failing_since = self._patience = 0.0
        self._thread = threading.Thread(target=self._send_all, name=f"MLflow run {run_id}", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Take an entry of the journal; returns when it is on disk."""
        with self._changed, translate_os_errors(self.folder):
            self._write(entry)
            self._entries.append(entry)
            self._changed.notify()

    @contextmanager
    def files(self, to: str | None) -> Iterator[Path]:
        """Yield a folder to fill; what is in it at the end becomes artifacts in the folder `to` of the run."""
        name = uuid.uuid4().hex
        (self.folder / name).mkdir()
        yield self.folder / name
        self.add({"files": name, "to": to})

    def close(self, patience: float) -> None:
        """Wait until all is sent; where the store is away, for `patience` seconds, and then say what was not sent."""
        self._patience = patience
        self._closing.set()
        with self._changed:
            self._changed.notify()
        try:
            self._thread.join()
            self._journal.close()
            if not self._entries:
                shutil.rmtree(self.folder)
        finally:
            _release(self._lock)
            if self._entries and _is_refusal(self._failure) and _was_deleted(self._store, self.folder):
                _say_once(self._store, self.folder)
            elif self._entries:
                log.warning(
                    "MLflow run %s is incomplete in %s: %d entries were not sent (%s) and wait in %s; "
                    "`python -m pipeline.send` sends them later",
                    self._run_id,
                    self._store.name,
                    len(self._entries),
                    reason(self._failure) if self._failure else "interrupted",
                    self.folder,
                )

    def _write(self, entry: Entry) -> None:
        self._journal.write(json.dumps(entry) + "\n")
        self._journal.flush()

    def _send_all(self) -> None:
        while batch := self._next():
            try:
                send(self._store.client, self._run_id, self.folder, batch)
            except Exception as error:  # whatever it is, a training is worth more than its record
                if not self._try_again(error):
                    return
                continue
            if self._failure:
                log.info("MLflow store %s takes what is logged again", self._store.name)
                self._failure = None
            with self._changed:
                del self._entries[: len(batch)]

    def _next(self) -> list[Entry]:
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closing.is_set())
            return first_batch(self._entries)

    def _try_again(self, error: Exception) -> bool:
        """Wait a moment after a failed attempt; False once there is no use in another."""
        if self._failure is None:
            log.warning("MLflow store %s: %s; what is logged is kept to be sent", self._store.name, reason(error))
            self._failing_since = time.monotonic()
        self._failure = error
        if _is_refusal(error):
            return False
        if not self._closing.wait(PAUSE_SECONDS):
            self._failing_since = time.monotonic()  # patience is counted from the end of the training
            return True
        if time.monotonic() - self._failing_since >= self._patience:
            return False
        time.sleep(PAUSE_SECONDS)
        return True


def _is_refusal(error: Exception | None) -> bool:
    return isinstance(error, MlflowException) and error.error_code in REFUSALS


def send_unsent(store: Store) -> list[Path]:
    """Send what earlier trainings could not, but for those that still run; a run whose process was killed ends KILLED.

    Returns:
        The folders of what still waits: for another store, or because this one did not take it.
    """
    folders = {path.with_suffix("") for path in _unsent_folder().glob("*")}  # also those of which only the lock is left
    return [folder for folder in sorted(folders) if not _sent(store, folder)]


def deleted_runs(store: Store, discard: bool) -> list[Path]:
    """Find what waits for runs that were deleted from the store; trainings that still run are left alone.

    Args:
        store: an open store.
        discard: remove it; else the caller tells the user of it, and no training does so again.

    Returns:
        The folders.
    """
    folders = sorted(folder for folder in _unsent_folder().glob("*") if folder.is_dir())
    return [folder for folder in folders if _deleted(store, folder, discard)]


def _deleted(store: Store, folder: Path, discard: bool) -> bool:
    lock = _lock(folder)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    try:
        if not _was_deleted(store, folder):
            return False
        if discard:
            shutil.rmtree(folder)
        else:
            (folder / TOLD).touch()
        return True
    finally:
        _release(lock)


def _was_deleted(store: Store, folder: Path) -> bool:
    """Tell whether the store says that the run for which a folder waits was deleted; False where it does not say."""
    try:
        _require_store(store, read_journal(folder / JOURNAL)[0])
        return str(store.client.get_run(folder.name).info.lifecycle_stage) == "deleted"
    except MlflowException as error:
        return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
    except (PipelineError, OSError, IndexError):
        return False


def remedy_for_deleted(folder: Path) -> str:
    """Say what to do about what waits for a run that was deleted."""
    return (
        f"what it logged waits in {folder}: restore the run in the MLflow UI and run `python -m pipeline.send`, or "
        "remove it with `python -m pipeline.send --discard`"
    )


def _sent(store: Store, folder: Path) -> bool:
    lock = _lock(folder)
    try:
        lock.acquire(blocking=False)
    except Timeout:  # its training still runs, and sends it itself
        return True
    try:
        journal = folder / JOURNAL
        if journal.exists() and (entries := read_journal(journal)):
            _require_store(store, entries[0])
            if _was_deleted(store, folder):
                _say_once(store, folder)
                return False
            _send_journal(store, journal, entries[1:])
        else:
            _end_unlogged(store, folder.name)
        if folder.exists():
            shutil.rmtree(folder)
    except Exception as error:  # one that cannot be sent must keep back no other
        log.warning("MLflow run %s: what waits in %s was not sent: %s", folder.name, folder, reason(error))
        return False
    finally:
        _release(lock)
    return True


def _require_store(store: Store, header: Entry) -> None:
    if header["store"] != store.lasting_name:
        raise PipelineError(f"it is for {header['store']}; let MLFLOW_TRACKING_URI name that to send it")


def _say_once(store: Store, folder: Path) -> None:
    """Tell of what a deleted run has left, but not with every training from now on."""
    if not (folder / TOLD).exists():
        log.warning("MLflow run %s was deleted from %s; %s", folder.name, store.name, remedy_for_deleted(folder))
        with suppress(OSError):  # a full disk, say
            (folder / TOLD).touch()


def _send_journal(store: Store, journal: Path, entries: list[Entry]) -> None:
    if not entries or "status" not in entries[-1]:
        entries.append({"status": "KILLED", "at": int(journal.stat().st_mtime * 1000)})
    while batch := first_batch(entries):
        send(store.client, journal.parent.name, journal.parent, batch)
        del entries[: len(batch)]


def _end_unlogged(store: Store, run_id: str) -> None:
    """End the run of a process that was killed before it logged anything; one killed after the end has ended it."""
    if store.client.search_runs([store.experiment_id], equals(run_id=run_id, status="RUNNING")):
        store.client.set_terminated(run_id, "KILLED")


def _unsent_folder() -> Path:
    return project_root() / ".unsent"


def _lock(folder: Path) -> FileLock:
    """Held while the run's training lives, or while what it left is sent."""
    folder.parent.mkdir(exist_ok=True)
    return FileLock(folder.with_suffix(".lock"))


def _release(lock: FileLock) -> None:
    Path(lock.lock_file).unlink(missing_ok=True)  # while held: one who waits for it makes a new one
    lock.release()
