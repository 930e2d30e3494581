"""The model that a server answers with: after a promotion the new champion, without a pause."""

import logging
from dataclasses import dataclass
from threading import Event, Thread

from pipeline.config.params import load_params
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.inference.pyfunc import TEXTS_PER_TURN
from pipeline.registry.model_lookup import VERSION_URI, describe_model, model_folder, registered_version, resolve_alias
from pipeline.serve.batcher import Batcher
from pipeline.serve.metrics import Metrics
from pipeline.tracking.store import FIRST_CONTACT, connect, environment_defaults

POLL_SECONDS = 10.0
"""Seconds between two checks of the version that an alias names."""
MAX_PAUSE = 60
"""Maximum number of checks skipped before a version that could not be loaded is tried again: ten minutes."""

NO_VERSION = ("", 0)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready to answer."""

    title: str
    """The line about it, for people."""
    info: ModelInfo
    batcher: Batcher


class LiveModel:
    """The model that answers now; one that is named by an alias can be followed to the next version.

    Args:
        name: as for `model_folder`.
        metrics: records each model and each batch.

    Raises:
        PipelineError: there is no such model, or it is damaged.
    """

    def __init__(self, name: str, metrics: Metrics) -> None:
        self._metrics = metrics
        self._name = name
        named = VERSION_URI.fullmatch(name)
        self._follows_alias = named is not None and named["alias"] is not None
        self._store = connect(load_params().tracking) if self._follows_alias else None
        """Store of the alias; the next version comes from it, too, whatever params.yaml says by then."""
        self._version = self._find_version()
        self._problem = ""
        """Last problem of the store; empty once it answers again."""
        self._failed, self._pause, self._skips_left = NO_VERSION, 0, 0
        """A version that could not be loaded, number of checks to skip, and of those still to be skipped."""
        self._stopped = Event()
        self.current = self._load(self._version[0])
        """Replaced as a whole: a request that has begun keeps the model that it began with."""

    def follow(self, seconds: float = POLL_SECONDS) -> None:
        """Start a thread that checks whether the alias names another version; a model without an alias stays."""

        def check() -> None:
            while not self._stopped.wait(seconds):
                self.refresh()

        if self._follows_alias:
            Thread(target=check, daemon=True).start()  # a store that hangs must not delay the end of the process

    def close(self) -> None:
        """Stop following, and stop computing."""
        self._stopped.set()
        self.current.batcher.close()

    def refresh(self) -> None:
        """Load the version that the alias names now, if it is another one.

        If the store does not answer, or the version cannot be loaded, the present one stays; the log says so once. Such
        a version is tried again after ever longer pauses, because its files may come back.
        """
        try:
            found = self._find_version()
        except Exception as error:  # it must not end the present one
            if str(error) != self._problem:
                self._problem = str(error)
                self._warn(error)
            return
        self._problem = ""
        if found == self._version:
            self._failed = NO_VERSION
        elif found == self._failed and self._skips_left:
            self._skips_left -= 1
        else:
            self._replace(found)

    def _replace(self, version: tuple[str, int]) -> None:
        """Load a version in place of the present one, if it can be loaded."""
        try:
            self.current, self._version = self._load(version[0]), version
        except Exception as error:  # it must not end the present one
            if version == self._failed:
                self._pause = min(2 * self._pause, MAX_PAUSE)
            else:
                self._failed, self._pause = version, 1
                self._metrics.count_reload(loaded=False)
                self._warn(error)
            self._skips_left = self._pause
        else:
            self._failed = NO_VERSION
            self._metrics.count_reload(loaded=True)
            log.info("model: %s", self.current.title)

    def _warn(self, error: Exception) -> None:
        log.warning("%s; it stays: %s", " ".join(str(error).split()), self.current.title)

    def _find_version(self) -> tuple[str, int]:
        """Return the address of the version that the alias names now, and when it was created [ms since 1970].

        A model that was deleted or renamed, and made anew, may have other versions with the same addresses. Of a model
        without an alias it is its own address, and 0.
        """
        named = VERSION_URI.fullmatch(self._name)
        with environment_defaults(FIRST_CONTACT):
            if self._store is None or named is None:
                return str(resolve_alias(self._name)), 0
            version = registered_version(self._store, named["name"], named["alias"])
        return f"models:/{version.name}/{version.version}", version.creation_timestamp

    def _load(self, address: str) -> ServedModel:
        with model_folder(address, self._store) as folder:
            predictor = Predictor.load(folder, batch_size=TEXTS_PER_TURN)
        predictor([""])  # the first call takes longer; and a model that fails must not replace one that answers
        title = describe_model(address, predictor.info, self._store)
        self._metrics.show_model(address)
        return ServedModel(title, predictor.info, Batcher(predictor, self._metrics.count_batch))
