"""Outbox of a training: the training never waits for the MLflow store, and nothing that it logs is lost.

Each entry is written to a journal under `.unsent/` in the project root, and sent by a thread. If the server is away the
thread retries; what the server has not taken when the training ends stays in `.unsent/` for `unsent.send_unsent`.
A value that the server refuses as invalid is left out, with a warning at the end.
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

from mlflow.exceptions import MlflowException

from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.paths import project_root
from pipeline.tracking.errors import reason
from pipeline.tracking.journal import JOURNAL, Entry, first_batch
from pipeline.tracking.store import Store
from pipeline.tracking.unsent import (
    INVALID,
    folder_lock,
    release,
    send_valid,
    tell_once,
    tell_refused,
    unsent_folder_of,
    was_deleted,
)

RETRY_SECONDS = 1.0
"""Pause between two attempts to reach a server that is unreachable."""
FINAL_ERRORS = (INVALID, "RESOURCE_DOES_NOT_EXIST")
"""MLflow's codes of errors that a retry would not fix; the first is raised only for a deleted run."""

log = logging.getLogger(__name__)


class Outbox:
    """Queue of what is logged to one run; a thread sends it in order.

    Args:
        store: an open store.
        run_id: of the run.

    Raises:
        PipelineError: an earlier process left something for this run that could not be sent.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self._run_id = store, run_id
        self.folder = unsent_folder_of(run_id)
        self._lock = folder_lock(self.folder)
        self._lock.acquire()
        if self.folder.exists():
            release(self._lock)
            raise PipelineError(
                f"MLflow run {run_id} cannot be resumed before what waits in {self.folder} is sent; "
                "run `python -m pipeline.send`, or delete that folder"
            )
        self.folder.mkdir()
        self._journal = (self.folder / JOURNAL).open("a", encoding="utf-8")
        self._write({"store": store.lasting_name, "root": str(project_root())})
        self._entries: list[Entry] = []
        self._refused: list[str] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failure: Exception | None = None
        self._failing_since = self._timeout = 0.0
        self._thread = threading.Thread(target=self._send_all, name=f"MLflow run {run_id}", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Append an entry to the journal; return when it is on disk."""
        with self._changed, translate_os_errors(self.folder):
            self._write(entry)
            self._entries.append(entry)
            self._changed.notify()

    @contextmanager
    def files(self, to: str | None) -> Iterator[Path]:
        """Yield a folder to fill; its content at the end of the block becomes artifacts in the run's folder `to`."""
        name = uuid.uuid4().hex
        (self.folder / name).mkdir()
        yield self.folder / name
        self.add({"files": name, "to": to})

    def close(self, timeout: float) -> None:
        """Wait until everything is sent; if the store is away, for `timeout` seconds, then log what was not sent."""
        self._timeout = timeout
        self._closing.set()
        with self._changed:
            self._changed.notify()
        try:
            self._thread.join()
            self._journal.close()
            if not self._entries:
                shutil.rmtree(self.folder)
        finally:
            release(self._lock)
            tell_refused(self.store, self._run_id, self._refused)
            if self._entries and _is_final(self._failure) and was_deleted(self.store, self.folder):
                tell_once(self.store, self.folder)
            elif self._entries:
                log.warning(
                    "MLflow run %s is incomplete in %s: %d entries were not sent (%s) and wait in %s; "
                    "`python -m pipeline.send` sends them later",
                    self._run_id,
                    self.store.name,
                    len(self._entries),
                    reason(self._failure) if self._failure else "interrupted",
                    self.folder,
                )

    def _write(self, entry: Entry) -> None:
        self._journal.write(json.dumps(entry) + "\n")
        self._journal.flush()

    def _send_all(self) -> None:
        while batch := self._next_batch():
            try:
                refused = send_valid(self.store, self.folder, batch)
            except Exception as error:  # whatever it is, the training matters more than its record
                if not self._wait_to_retry(error):
                    return
                continue
            if self._failure:
                log.info("MLflow store %s answers again", self.store.name)
                self._failure = None
            self._refused += refused
            with self._changed:
                del self._entries[: len(batch)]
                with suppress(OSError):  # such as a full disk: they are sent twice at worst
                    self._write({"sent": len(batch)})

    def _next_batch(self) -> list[Entry]:
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closing.is_set())
            return first_batch(self._entries)

    def _wait_to_retry(self, error: Exception) -> bool:
        """Pause after a failed attempt; False if another attempt would be useless."""
        if self._failure is None:
            log.warning("MLflow store %s: %s; log entries are kept and sent later", self.store.name, reason(error))
            self._failing_since = time.monotonic()
        self._failure = error
        if _is_final(error):
            return False
        if not self._closing.wait(RETRY_SECONDS):
            self._failing_since = time.monotonic()  # the timeout counts from the end of the training
            return True
        if time.monotonic() - self._failing_since >= self._timeout:
            return False
        time.sleep(RETRY_SECONDS)
        return True


def _is_final(error: Exception | None) -> bool:
    return isinstance(error, MlflowException) and error.error_code in FINAL_ERRORS
