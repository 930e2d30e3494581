"""Versions of a registered model: registered once, named by aliases, and stored again if their files are lost."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from pipeline.registry.model_lookup import logged_model_id
from pipeline.registry.packaging import CARD_FILE, Candidate, package_model
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.tracking import artifacts
from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.query import all_pages, equals
from pipeline.tracking.store import PROJECT_TAG, Store, default_tracking_uri

CHAMPION, CHALLENGER = "champion", "challenger"
CONTENT_TAG = "model.sha256"
MAX_DESCRIPTION = 5000
"""Maximum number of characters of a description in the databases behind MLflow."""

MODEL_PATH = "artifacts/model"
"""Model folder within the files of a version."""
BESIDE_MODEL = {"MLmodel", "code"}
"""Names among the files of a version without which MLflow cannot load it."""

log = logging.getLogger(__name__)


def find_version(store: Store, name: str, content: str) -> str | None:
    """Return the version that holds the model with this content hash; the first one, if another is being withdrawn."""
    versions = store.client.search_model_versions(equals(name=name))
    numbers = [int(version.version) for version in versions if version.tags.get(CONTENT_TAG) == content]
    return str(min(numbers)) if numbers else None


def find_alias(store: Store, name: str, alias: str) -> str | None:
    """Return the version that an alias names, if there is one."""
    try:
        return str(store.client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no model, no alias
            return None
        raise


def run_of_version(store: Store, name: str, version: str) -> str | None:
    """Return the id of the run that made a version; None if there is no such version."""
    try:
        return str(store.client.get_model_version(name, version).run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def download_model(store: Store, name: str, version: str, destination: Path) -> Path:
    """Download the model folder of a version, and return its path.

    Raises:
        PipelineError: its files are not there.
    """
    with translate_mlflow_errors(store.uri, OSError):
        return artifacts.download(store, f"models:/{name}/{version}/{MODEL_PATH}", destination)


def register_version(store: Store, name: str, description: str, candidate: Candidate) -> str:
    """Log a model to its run and register it as a new version, which has its tags from the first moment.

    The caller holds `champion.registration_lock`. What a killed process has logged but not registered is removed first.
    If another project registers the same model at the same moment, the first version stays.

    Args:
        store: an open store.
        name: of the registered model, which is created if it is missing.
        description: of the registered model, in Markdown.
        candidate: the model.

    Returns:
        The version.
    """
    _remove_unregistered(store, candidate.run_id)
    model_id, content = _log_model(store, name, candidate), folder_digest(candidate.folder)
    try:
        store.client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    with default_tracking_uri(store):  # the registry looks the logged model up there
        version: ModelVersion = store.client.create_model_version(
            name,
            source=f"models:/{model_id}",
            run_id=candidate.run_id,
            tags={**candidate.tags, CONTENT_TAG: content},
            description=_within_limit(candidate.description),
            model_id=model_id,
        )
    first = find_version(store, name, content)
    if first is not None and first != str(version.version):
        log.info("another project has registered this model at the same moment, as version %s", first)
        store.client.delete_model_version(name, version.version)
        _remove_unregistered(store, candidate.run_id)
        return first
    link = [{"name": name, "version": version.version}]
    store.client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(link)})
    return str(version.version)


def has_lost_files(store: Store, name: str, version: str, like: Path, same: bool = False) -> bool:
    """Return whether the store reports that a version lacks a file, such as one that the model folder `like` has.

    False if the store cannot tell: a server is away, a folder is not readable, or the folder is on this machine but in
    a database that other machines use too. False for a version that no pipeline has registered, which may have other
    files.

    Args:
        store: an open store.
        name: of the registered model.
        version: the version.
        like: a model folder.
        same: it is the model of the version, so a stored file of another size counts as lost.
    """
    try:
        if CONTENT_TAG not in store.client.get_model_version(name, version).tags:
            return False
        location = store.client.get_model_version_download_uri(name, version)
        stored = _stored_files(store, location, MODEL_PATH)
        for path in like.iterdir():
            size = stored.get(path.name)
            if path.name not in stored or (same and size not in (None, path.stat().st_size)):
                return True
        return not _stored_files(store, location).keys() >= BESIDE_MODEL
    except (MlflowException, OSError):
        return False


def restore_files(store: Store, name: str, version: str, candidate: Candidate) -> None:
    """Store the files of a registered version again, from a candidate that is the same model; aliases and tags stay."""
    model_id = logged_model_id(store, store.client.get_model_version(name, version))
    if model_id is None:
        raise PipelineError(
            f"models:/{name}/{version}: its files are gone, and {store.name} has no logged model to store them in; "
            "delete this version in the MLflow UI and run `python -m pipeline.register`"
        )
    with TemporaryDirectory() as scratch:
        store.client.log_model_artifacts(model_id, str(package_model(candidate, model_id, Path(scratch))))


def set_alias(store: Store, name: str, version: str, alias: str) -> None:
    """Let an alias name this version and no other; a version that becomes champion is no longer challenger."""
    if find_alias(store, name, alias) != version:
        store.client.set_registered_model_alias(name, alias, version)
    if alias == CHAMPION and find_alias(store, name, CHALLENGER) == version:
        store.client.delete_registered_model_alias(name, CHALLENGER)


def tag_version(store: Store, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Set tags of a version."""
    for key, value in tags.items():
        store.client.set_model_version_tag(name, version, key, value)


def _stored_files(store: Store, location: str, path: str = "") -> dict[str, int | None]:
    """Return the sizes of the files in the folder `path` of a version, as `artifacts.file_sizes`."""
    if urlsplit(location).scheme not in ("", "file"):
        return artifacts.file_sizes(store, location, path or None)
    if not store.has_own_artifacts:
        raise OSError(f"{location} may be a folder of another machine")
    folder = Path(local_file_uri_to_path(location)) / path
    try:
        return {file.name: None if file.is_dir() else file.stat().st_size for file in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _remove_unregistered(store: Store, run_id: str) -> None:
    """Remove the models of a run that this project has logged and not registered.

    Models of another project stay: it may be about to register them. So does a model unless it is certain that no
    version has its files, not even a copy under another name of a version that was deleted.
    """
    experiment = store.client.get_run(run_id).info.experiment_id
    logged = store.client.search_logged_models([experiment], equals(source_run_id=run_id))
    own = [model for model in logged if model.tags.get(PROJECT_TAG) == store.project]
    try:
        used = _models_in_use(store, run_id) if own else set()
    except MlflowException:
        return
    for model in own:
        if model.model_id not in used:
            artifacts.delete(store, model.artifact_location, model.model_id)
            store.client.delete_logged_model(model.model_id)


def _models_in_use(store: Store, run_id: str) -> set[str | None]:
    """Return the ids of the logged models whose files a version has, of whatever name, that names this run or none."""
    versions = all_pages(lambda token: store.client.search_model_versions(page_token=token))
    return {logged_model_id(store, version) for version in versions if version.run_id in (run_id, None, "")}


def _log_model(store: Store, name: str, candidate: Candidate) -> str:
    client = store.client
    run = client.get_run(candidate.run_id)
    model = client.create_logged_model(
        run.info.experiment_id,
        name,
        candidate.run_id,
        tags={**candidate.tags, PROJECT_TAG: store.project},
        params=run.data.params,
    )
    status = LoggedModelStatus.FAILED
    try:
        with TemporaryDirectory() as scratch:
            client.log_model_artifacts(model.model_id, str(package_model(candidate, model.model_id, Path(scratch))))
        client.log_outputs(candidate.run_id, [LoggedModelOutput(model.model_id, step=0)])
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(model.model_id, status)
    return str(model.model_id)


def _within_limit(description: str) -> str:
    notice = f"\n\n… the rest is in the model's folder, in {CARD_FILE}."
    if len(description) <= MAX_DESCRIPTION:
        return description
    return description[: MAX_DESCRIPTION - len(notice)] + notice
