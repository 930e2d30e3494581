"""The MLflow store runs and models are kept in: a server, a database, or a sqlite file in the project root."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pipeline.config import TrackingConfig
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError, refusal
from pipeline.runtime.files import exclusive_lock
from pipeline.runtime.paths import project_root
from pipeline.tracking.description import experiment_tags
from pipeline.tracking.moved_project import follow_artifacts

# It writes the traceback of what a database refuses; that ends as one line here, or waits in the outbox.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

SQLITE = "sqlite:///"
URI_VARIABLE, REGISTRY_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
ARTIFACTS = "mlartifacts"
"""Folder of the artifacts: beside a sqlite file, in the project root for another database; a server has its own."""
LOCK_SECONDS = 120
FIRST_CONTACT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""How long to wait for a server before giving up; later calls have mlflow's own patience of minutes."""
DURING_TRAINING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""One attempt at a time: the outbox has a patience of its own."""


@dataclass(frozen=True)
class Store:
    """An open MLflow store and the experiment in it that runs go to."""

    uri: str
    client: MlflowClient
    experiment_id: str
    patience: float
    """Seconds to wait, when a training has ended, for a server that went away meanwhile."""

    @property
    def name(self) -> str:
        """The URI, fit to be shown: without credentials."""
        return masked(self.uri)

    @property
    def has_own_artifacts(self) -> bool:
        """Whether it is a sqlite file, whose artifacts lie beside it and nowhere else."""
        return self.uri.startswith(SQLITE)

    @property
    def lasting_name(self) -> str:
        """The name by which a project that was moved knows its store again: a sqlite file's path begins at the root."""
        return self.name.replace(f"{SQLITE}{project_root()}/", SQLITE)


def connect(config: TrackingConfig) -> Store:
    """Open the store, creating a missing sqlite file and experiment; any number of processes may do so at once.

    Raises:
        PipelineError: the store does not answer within seconds, cannot be used, or its experiment was deleted; or
            the environment asks for a registry in another store.
    """
    uri = tracking_uri(config)
    if os.environ.get(REGISTRY_VARIABLE, uri) not in (uri, os.environ.get(URI_VARIABLE)):
        raise PipelineError(
            f"{REGISTRY_VARIABLE} names another store than {masked(uri)}, where runs are kept; models are registered "
            f"beside their runs: unset it, or set {URI_VARIABLE} to the same store"
        )
    with translate_mlflow_errors(uri, OSError, ValueError, ImportError, SQLAlchemyError):
        if uri.startswith(("http://", "https://")):
            with environment_defaults(FIRST_CONTACT):
                return _open(uri, config, artifacts=None)
        if uri.startswith(SQLITE):
            return _open_file(uri, config)
        _probe_database(uri)
        return _open(uri, config, artifacts=project_root() / ARTIFACTS)


def tracking_uri(config: TrackingConfig) -> str:
    """`MLFLOW_TRACKING_URI`, else the configured URI, else a sqlite file in the project root.

    The path of a sqlite file is taken from the project root, wherever the command is called from. Blanks around the URI
    and capitals in its scheme do not matter.

    Raises:
        PipelineError: the path cannot be, or a sqlite URI names no file.
    """
    given = os.environ.get(URI_VARIABLE, "").strip() or (config.uri or "").strip() or f"{SQLITE}mlflow.db"
    scheme, colon, rest = given.partition(":")
    scheme = scheme.lower().removesuffix("+pysqlite")  # SQLAlchemy's own name for what Python has
    uri = f"{scheme}{colon}{rest}"
    if scheme != "sqlite":
        return uri
    name = uri.removeprefix(SQLITE)
    if not uri.startswith(SQLITE) or name == ":memory:":
        raise PipelineError(
            f"{masked(given)}: a sqlite store is a file; let MLFLOW_TRACKING_URI or tracking.uri name it "
            f"as {SQLITE}PATH"
        )
    try:
        path = project_root() / Path(name).expanduser()
    except RuntimeError as error:  # the home of a user who is not there
        raise PipelineError(f"{masked(given)}: {error}; name the file by its whole path") from None
    if set("?%") & set(str(path)):  # they have a meaning in a URI
        raise PipelineError(f"{path}: MLflow's database cannot have ? or % in its path; rename the folder or the file")
    return f"{SQLITE}{path}"


@contextmanager
def translate_mlflow_errors(uri: str, *further: type[Exception]) -> Iterator[None]:
    """Turn MLflow's exceptions, and `further` ones, into a `PipelineError` of one line."""
    caught: tuple[type[Exception], ...] = (MlflowException, *further)
    try:
        yield
    except caught as error:
        refused = refusal(error)
        remedy = refused[1] if refused else "see that it runs and that MLFLOW_TRACKING_URI or tracking.uri names it"
        raise PipelineError(f"MLflow store {masked(uri)} cannot be used: {reason(error)}; {remedy}") from error


def reason(error: Exception) -> str:
    """What went wrong, as the end of one line without credentials."""
    if isinstance(error.__context__, RequestException):
        return "it does not answer"
    if isinstance(error, MlflowException) and error.error_code == "UNAUTHENTICATED":
        return "it refuses this user; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    cause = error.__cause__ if isinstance(error, MlflowException) else error
    said = cause.orig if isinstance(cause, DBAPIError) else error  # without the statement that failed
    lines = str(said).strip().splitlines() or [type(error).__name__]
    return masked(lines[0])[:300]


def _open_file(uri: str, config: TrackingConfig) -> Store:
    database = Path(uri.removeprefix(SQLITE))
    artifacts = database.parent / ARTIFACTS
    if database.is_dir():
        raise PipelineError(f"{database} is a folder, no database; let MLFLOW_TRACKING_URI or tracking.uri name a file")
    artifacts.mkdir(parents=True, exist_ok=True)
    # Two processes that create the tables of a fresh file at once crash in mlflow.
    with FileLock(f"{database}.lock", timeout=LOCK_SECONDS):
        _create(database)
        _probe_database(uri)
        store = _open(uri, config, artifacts)
        recorded = store.client.get_experiment(store.experiment_id).artifact_location
        if recorded != artifacts.as_uri() and recorded.endswith(f"/{ARTIFACTS}"):
            follow_artifacts(database, recorded, artifacts.as_uri())
    return store


def _create(database: Path) -> None:
    """Make a missing file, whole or not at all: with tables half made, as a kill leaves them, mlflow never goes on."""
    unfinished = database.with_name(f".{database.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    if not database.exists():
        unfinished.mkdir()
        _create_tables(MlflowClient(f"{SQLITE}{unfinished / database.name}"))
        (unfinished / database.name).replace(database)
        shutil.rmtree(unfinished)


def _open(uri: str, config: TrackingConfig, artifacts: Path | None) -> Store:
    client = MlflowClient(uri)
    _create_tables(client)
    return Store(uri, client, _experiment_id(client, config.experiment, artifacts), config.patience)


def _create_tables(client: MlflowClient) -> None:
    client.search_registered_models(max_results=1)  # the first call does


def _experiment_id(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    location = artifacts.as_uri() if artifacts else None
    try:
        return str(client.create_experiment(name, location, experiment_tags()))
    except MlflowException as error:
        found = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
    if found.lifecycle_stage == "deleted":
        raise PipelineError(
            f"the MLflow experiment {name!r} was deleted; restore it with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}` or set another tracking.experiment"
        )
    return str(found.experiment_id)


def _probe_database(uri: str) -> None:
    """Fail at once where mlflow would try again for minutes: no such host, no permission, not a database."""
    if re.match(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://", uri):
        engine = create_engine(uri)
        inspect(engine).has_table("runs")
        engine.dispose()


@contextmanager
def only_registering(store: Store) -> Iterator[None]:
    """Let one process at a time decide which version is champion: of a sqlite file, or in this project."""
    if store.uri.startswith(SQLITE):
        lock = Path(f"{store.uri.removeprefix(SQLITE)}.register.lock")
    else:
        lock = project_root() / ".checkpoints" / "register.lock"
        lock.parent.mkdir(exist_ok=True)
    with exclusive_lock(lock, "another process registers a model; waiting for it"):
        yield


@contextmanager
def default_tracking_uri(store: Store) -> Iterator[None]:
    """Make the store MLflow's default for the block: it resolves model addresses there, whatever store it is told."""
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
    """Set the variables for a moment; one that the user has set stays as it is."""
    added = {key: value for key, value in values.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            del os.environ[key]
