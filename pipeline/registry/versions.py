"""The model registry: versions of a model, each registered once, and the aliases that name them."""

import hashlib
import json
import logging
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import mlflow.pyfunc
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from pipeline.inference import pyfunc
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.code_digest import Code
from pipeline.runtime.files import write_text
from pipeline.runtime.paths import project_root
from pipeline.tracking import artifacts
from pipeline.tracking.query import equals
from pipeline.tracking.store import Store, default_tracking_uri, translate_mlflow_errors

CHAMPION, CHALLENGER = "champion", "challenger"
CONTENT_TAG = "model.sha256"
PROJECT_TAG = "project.sha256"
"""Of a logged model: a hash of the machine and the folder it was logged from."""
REQUIREMENTS = (
    "filelock",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "safetensors",
    "torch",
    "torchtext",
)
"""Packages that the registered model imports; it asks for the versions it was made with."""
SIGNATURE = ModelSignature(
    # Texts or null: told of strings, MLflow would make them of null (the text "None"), numbers and objects before the
    # model sees them.
    inputs=Schema([ColSpec(AnyType())]),  # type: ignore[no-untyped-call]
    outputs=Schema([ColSpec("string", "label"), ColSpec("double", "probability")]),
)
LONGEST = 5000
"""Characters the databases behind MLflow hold of a description."""
CARD = "README.md"
"""The description, beside the model's weights."""
EXAMPLE = ["A warm, funny film that I would gladly see again.", "Two hours of my life that nobody gives back."]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A model about to be registered."""

    folder: Path
    """Model folder."""
    run_id: str
    """The run that made it; the store knows it."""
    tags: Mapping[str, str]
    description: str
    """Markdown, for people who find the version in the registry or get its folder."""


def find_version(store: Store, name: str, content: str) -> str | None:
    """The version that holds the model of this content hash, the first if another is just being withdrawn."""
    versions = store.client.search_model_versions(equals(name=name))
    numbers = [int(found.version) for found in versions if found.tags.get(CONTENT_TAG) == content]
    return str(min(numbers)) if numbers else None


def find_alias(store: Store, name: str, alias: str) -> str | None:
    """The version an alias names."""
    try:
        return str(store.client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no model, no alias
            return None
        raise


def run_of_version(store: Store, name: str, version: str) -> str | None:
    """The run that made a version; None where there is no such version."""
    try:
        return str(store.client.get_model_version(name, version).run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def download_model(store: Store, name: str, version: str, destination: Path) -> Path:
    """Fetch the model folder of a version.

    Raises:
        PipelineError: its files are not there.
    """
    with translate_mlflow_errors(store.uri, OSError):
        return artifacts.download(store, f"models:/{name}/{version}/artifacts/model", destination)


def register_version(store: Store, name: str, description: str, candidate: Candidate) -> str:
    """Log the model to its run and register it as a new version, which bears its tags from the first moment.

    One process at a time may do so in a project: `only_registering`. What a killed one has logged and not registered
    goes first. Where another project registers the same model at the same moment, the first version stays.

    Args:
        store: an open store.
        name: of the registered model, created where it is missing.
        description: of the registered model, Markdown.
        candidate: what to register.

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
            description=_shortened(candidate.description),
            model_id=model_id,
        )
    first = find_version(store, name, content)
    if first is not None and first != str(version.version):
        logger.info("another project has registered this model at the same moment, as version %s", first)
        store.client.delete_model_version(name, version.version)
        _remove_unregistered(store, candidate.run_id)
        return first
    link = [{"name": name, "version": version.version}]
    store.client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(link)})
    return str(version.version)


def has_lost_files(store: Store, name: str, version: str, like: Path) -> bool:
    """Tell whether the store says that the model folder of a version lacks a file which the folder `like` has.

    False where it does not say: a server is away, a folder may not be read, or the folder is one of this machine in a
    database that other machines use too. False for a version that no pipeline has registered: it may have other files.
    """
    try:
        if CONTENT_TAG not in store.client.get_model_version(name, version).tags:
            return False
        location = store.client.get_model_version_download_uri(name, version)
        return bool({path.name for path in like.iterdir()} - _stored_files(store, location))
    except (MlflowException, OSError):
        return False


def restore_files(store: Store, name: str, version: str, candidate: Candidate) -> None:
    """Store the files of a registered version again; the candidate is the same model. Aliases and tags stay."""
    source = str(store.client.get_model_version(name, version).source)
    with TemporaryDirectory() as scratch:
        model_id = source.removeprefix("models:/")
        store.client.log_model_artifacts(model_id, str(_save_model(candidate, model_id, Path(scratch))))


def _stored_files(store: Store, location: str) -> set[str]:
    if urlsplit(location).scheme not in ("", "file"):
        return artifacts.names(store, location, "artifacts/model")
    if not store.has_own_artifacts:
        raise OSError(f"{location} may be a folder of another machine")
    folder = Path(local_file_uri_to_path(location)) / "artifacts" / "model"  # type: ignore[no-untyped-call]
    try:
        return {path.name for path in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def set_alias(store: Store, name: str, version: str, alias: str) -> None:
    """Name a version by an alias, which then names no other; a champion is no longer a challenger."""
    if find_alias(store, name, alias) != version:
        store.client.set_registered_model_alias(name, alias, version)
    if alias == CHAMPION and find_alias(store, name, CHALLENGER) == version:
        store.client.delete_registered_model_alias(name, CHALLENGER)


def tag_version(store: Store, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Set tags of a version."""
    for key, value in tags.items():
        store.client.set_model_version_tag(name, version, key, value)


def _remove_unregistered(store: Store, run_id: str) -> None:
    """Remove the run's models that this project has logged; another project may be about to register its own."""
    registered = {version.source for version in store.client.search_model_versions(equals(run_id=run_id))}
    experiment = store.client.get_run(run_id).info.experiment_id
    for model in store.client.search_logged_models([experiment], equals(source_run_id=run_id)):
        if model.tags.get(PROJECT_TAG) == _project() and f"models:/{model.model_id}" not in registered:
            artifacts.delete(store, model.artifact_location, model.model_id)
            store.client.delete_logged_model(model.model_id)


def _project() -> str:
    return hashlib.sha256(f"{platform.node()} {project_root()}".encode()).hexdigest()


def _log_model(store: Store, name: str, candidate: Candidate) -> str:
    client = store.client
    run = client.get_run(candidate.run_id)
    model = client.create_logged_model(
        run.info.experiment_id,
        name,
        candidate.run_id,
        tags={**candidate.tags, PROJECT_TAG: _project()},
        params=run.data.params,
    )
    status = LoggedModelStatus.FAILED
    try:
        with TemporaryDirectory() as scratch:
            client.log_model_artifacts(model.model_id, str(_save_model(candidate, model.model_id, Path(scratch))))
        client.log_outputs(candidate.run_id, [LoggedModelOutput(model.model_id, step=0)])
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(model.model_id, status)
    return str(model.model_id)


def _save_model(candidate: Candidate, model_id: str, scratch: Path) -> Path:
    path, folder = scratch / "model", scratch / "copy" / "model"
    shutil.copytree(candidate.folder, folder)  # MLflow takes no links, as DVC may have made of the files
    mlflow.pyfunc.save_model(
        path,
        python_model=pyfunc.__file__,
        artifacts={"model": str(folder)},
        code_paths=[str(_copy_served_code(scratch / "code"))],
        signature=SIGNATURE,
        input_example=EXAMPLE,
        pip_requirements=requirements(),
        mlflow_model=Model(model_uuid=model_id, model_id=model_id, run_id=candidate.run_id),
    )
    write_text(path / "artifacts" / folder.name / CARD, candidate.description)
    return path


def _shortened(description: str) -> str:
    more = f"\n\n… the rest is in the model's folder, in {CARD}."
    return description if len(description) <= LONGEST else description[: LONGEST - len(more)] + more


def requirements() -> list[str]:
    """The packages the registered model needs, as installed here, without local labels such as `+cpu`."""
    return [f"{package}=={installed(package).split('+')[0]}" for package in REQUIREMENTS]


def _copy_served_code(destination: Path) -> Path:
    """Copy the modules that the registered model runs; neither Lightning nor this room is among what they import.

    Returns:
        The package's folder.
    """
    code = Code()
    for module in code.closure(pyfunc.__name__):
        source = code.files[module]
        target = destination / source.relative_to(code.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return destination / pyfunc.__name__.partition(".")[0]
