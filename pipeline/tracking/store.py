"""MLflow store of runs and models: a server, a database, or a sqlite file in the project root."""

import getpass
import hashlib
import logging
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, ReadWriteLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import project_root
from pipeline.tracking.description import VIEW_STATE, VIEW_TAG, experiment_tags
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.moved_project import follow_artifacts
from pipeline.tracking.uri import SQLITE, URI_VARIABLE, lasting_name, require_one_store, tracking_uri

# It logs the traceback of every database error; here that becomes one line, or the entry waits in the outbox.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

log = logging.getLogger(__name__)

PROJECT_TAG = "project.sha256"
"""Tag with `Store.project`: only that project may change or remove what has it."""
BESIDE_STORE = "beside the store"
"""`Store.project` of the project whose folder contains the store."""
ARTIFACT_FOLDER = "mlartifacts"
"""Folder of the artifacts: beside a sqlite file, in the project root for another database; a server has its own."""
LOCK_SECONDS = 120
FIRST_CONTACT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Time limits for the first request to a server; later requests have MLflow's own limits of minutes."""
DURING_TRAINING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""Time limits for the outbox, which retries by itself."""


@dataclass(frozen=True)
class Store:
    """Open MLflow store, with the experiment that runs go to."""

    uri: str
    client: MlflowClient
    experiment_id: str
    server_timeout: float
    """Seconds to wait, after the end of a training, for a server that is unreachable."""
    in_use: ReadWriteLock | None = field(default=None, repr=False, compare=False)
    """Lock of a sqlite file, held as long as this object exists: no other process records other paths of artifacts."""

    @property
    def name(self) -> str:
        """URI without credentials, for messages."""
        return masked(self.uri)

    def create_run(self, name: str, tags: Mapping[str, str], source: str = "pipeline.train") -> str:
        """Create a run of the present user, and return its id.

        Args:
            name: for people.
            tags: its tags; they take precedence over those of user and source.
            source: module that makes it.
        """
        made_by = {"mlflow.user": _user(), "mlflow.source.name": source, "mlflow.source.type": "LOCAL"}
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**made_by, **tags})
        return str(run.info.run_id)

    @property
    def has_own_artifacts(self) -> bool:
        """True for a sqlite file, whose artifacts lie beside it and nowhere else."""
        return self.uri.startswith(SQLITE)

    @property
    def lasting_name(self) -> str:
        """Name that survives a move of the project, as `uri.lasting_name`."""
        return lasting_name(self.uri)

    @property
    def project(self) -> str:
        """Identifier of this project among those that use the store: a hash of its machine and its folder.

        A project that has the store's file in its folder keeps its identifier if both are moved.
        """
        if self.lasting_name != self.name:
            return BESIDE_STORE
        return hashlib.sha256(f"{platform.node()} {project_root()}".encode()).hexdigest()

    def is_own(self, tags: Mapping[str, str]) -> bool:
        """Return whether this project made the run with these tags; runs of version 1.0.0 do not name their project."""
        return tags.get(PROJECT_TAG, BESIDE_STORE) == self.project


def connect(config: TrackingConfig) -> Store:
    """Open the store, creating a missing sqlite file and experiment; any number of processes may do so at once.

    Raises:
        PipelineError: the store does not answer within seconds, cannot be used, or its experiment was deleted or
            has its artifacts on another machine; or the environment asks for a registry in another store.
    """
    uri = tracking_uri(config)
    require_one_store(uri)
    with translate_mlflow_errors(uri, OSError, ValueError, ImportError, SQLAlchemyError):
        if uri.startswith(("http://", "https://")):
            with environment_defaults(FIRST_CONTACT):
                store = _open_store(uri, config, artifacts=None)
            _require_reachable_artifacts(store, config.experiment)
            return store
        if uri.startswith(SQLITE):
            return _open_file(uri, config)
        _probe_database(uri)
        return _open_store(uri, config, artifacts=project_root() / ARTIFACT_FOLDER)


def show_overview(store: Store) -> None:
    """Give the experiment the view of its runs that this version describes; it may be older, or made by MLflow itself.

    Raises:
        PipelineError: the store failed.
    """
    with translate_mlflow_errors(store.uri):
        if store.client.get_experiment(store.experiment_id).tags.get(VIEW_TAG) != VIEW_STATE:
            store.client.set_experiment_tag(store.experiment_id, VIEW_TAG, VIEW_STATE)


@contextmanager
def default_tracking_uri(store: Store) -> Iterator[None]:
    """Make the store MLflow's default in the block: MLflow resolves model addresses there, whatever it is told."""
    before = os.environ.get(URI_VARIABLE)
    os.environ[URI_VARIABLE] = store.uri
    try:
        yield
    finally:
        if before is None:
            del os.environ[URI_VARIABLE]
        else:
            os.environ[URI_VARIABLE] = before


@contextmanager
def environment_defaults(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables in the block, except those that the user has set."""
    added = {key: value for key, value in values.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            del os.environ[key]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # as in a container, whose user has no name
        return "unknown"


def _open_file(uri: str, config: TrackingConfig) -> Store:
    database = Path(uri.removeprefix(SQLITE))
    artifacts = database.parent / ARTIFACT_FOLDER
    if database.is_dir():
        raise PipelineError(
            f"{database} is a folder, not a database; let MLFLOW_TRACKING_URI or tracking.uri name a file"
        )
    artifacts.mkdir(parents=True, exist_ok=True)
    # Two processes that create the tables of a fresh file at once crash in MLflow.
    with FileLock(f"{database}.lock", timeout=LOCK_SECONDS):
        _create_file(database)
        _probe_database(uri)
        store = _open_store(uri, config, artifacts)
        recorded = store.client.get_experiment(store.experiment_id).artifact_location
        in_use = ReadWriteLock(f"{database}.in_use", is_singleton=False)
        ours = recorded.startswith("file:") and recorded.endswith(f"/{ARTIFACT_FOLDER}")
        if ours and not _is_folder(recorded, artifacts):
            _follow_artifacts(database, recorded, artifacts, in_use)
        in_use.acquire_read()
    return replace(store, in_use=in_use)


def _is_folder(uri: str, folder: Path) -> bool:
    """Return whether a URI names this folder, possibly by another path."""
    path = Path(local_file_uri_to_path(uri))
    return path.exists() and path.samefile(folder)


def _follow_artifacts(database: Path, recorded: str, artifacts: Path, in_use: ReadWriteLock) -> None:
    """Record where the artifacts are now, unless a process writes to where they were.

    The other process may see the same project under another path, as in a container; told the path of this one, it
    would write its files where nobody finds them.
    """
    try:
        with in_use.write_lock(blocking=False):
            follow_artifacts(database, recorded, artifacts.as_uri())
    except Timeout:
        raise PipelineError(
            f"{database} is in use by a process that knows its artifacts as {local_file_uri_to_path(recorded)}; "
            "run this command under that path, too, or wait until that process has ended"
        ) from None
    log.info("the project was moved: its artifacts are in %s now, no longer in %s", artifacts, recorded)


def _create_file(database: Path) -> None:
    """Create a missing file, whole or not at all: MLflow cannot complete tables that a killed process left."""
    unfinished = database.with_name(f".{database.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    if not database.exists():
        unfinished.mkdir()
        _create_tables(MlflowClient(f"{SQLITE}{unfinished / database.name}"))
        (unfinished / database.name).replace(database)
        shutil.rmtree(unfinished)


def _open_store(uri: str, config: TrackingConfig, artifacts: Path | None) -> Store:
    client = MlflowClient(uri)
    _create_tables(client)
    return Store(uri, client, _experiment_id(client, config.experiment, artifacts), config.server_timeout)


def _require_reachable_artifacts(store: Store, experiment: str) -> None:
    """Refuse a server whose experiment has a folder for its artifacts which this machine does not have.

    MLflow's client would make that folder here, and nobody else would find the files.
    """
    location = str(store.client.get_experiment(store.experiment_id).artifact_location)
    if urlsplit(location).scheme not in ("", "file"):
        return
    folder = Path(local_file_uri_to_path(location))
    fresh = folder.name == store.experiment_id and folder.parent.is_dir()  # MLflow makes it with the first file
    if not (folder.is_dir() or fresh):
        raise PipelineError(
            f"the MLflow experiment {experiment!r} of {store.name} keeps its files in {folder}, a folder of another "
            "machine; set another tracking.experiment, of a server that passes files on (docs/team-server.md)"
        )


def _create_tables(client: MlflowClient) -> None:
    client.search_registered_models(max_results=1)  # the first call of any kind creates them


def _experiment_id(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    location = artifacts.as_uri() if artifacts else None
    try:
        return str(client.create_experiment(name, location, experiment_tags()))
    except MlflowException as error:
        experiment = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or experiment is None:
            raise
    if experiment.lifecycle_stage == "deleted":
        raise PipelineError(
            f"the MLflow experiment {name!r} was deleted; restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}` or set another "
            "tracking.experiment"
        )
    return str(experiment.experiment_id)


def _probe_database(uri: str) -> None:
    """Fail at once where MLflow would retry for minutes: no such host, no permission, not a database."""
    if re.match(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://", uri):
        engine = create_engine(uri)
        inspect(engine).has_table("runs")
        engine.dispose()
