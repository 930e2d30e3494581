"""Artifacts by their MLflow address: download, list, delete.

An address is `models:/NAME/VERSION/…`, `runs:/ID/…`, or an artifact's own URI. No other module lets MLflow resolve
an address: MLflow looks a registered model up in its *default* store, whatever store it is told, so each address is
resolved while the right store is the default.
"""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlflow.artifacts import download_artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.runtime.errors import PipelineError
from pipeline.tracking.store import Store, default_tracking_uri


def download(store: Store, address: str, destination: Path) -> Path:
    """Download a file or folder, and return its path.

    Args:
        store: an open store.
        address: of the file or folder.
        destination: a folder to put it into.

    Raises:
        MlflowException, OSError: it does not exist, or cannot be downloaded.
    """
    with default_tracking_uri(store):
        path = download_artifacts(
            artifact_uri=address, dst_path=str(destination), tracking_uri=store.uri, registry_uri=store.uri
        )
    return Path(path)


def file_names(store: Store, address: str, path: str) -> set[str]:
    """Return the names of the files in the folder `path` at an address.

    Raises:
        MlflowException, OSError: the store does not answer.
    """
    return set(file_sizes(store, address, path))


def file_sizes(store: Store, address: str, path: str | None = None) -> dict[str, int | None]:
    """Return the size in bytes of each file and folder in the folder `path` at an address, by name.

    The size of a folder is None, and so is that of a file of which the store does not tell it.

    Raises:
        MlflowException, OSError: the store does not answer.
    """
    with default_tracking_uri(store):
        repository = get_artifact_repository(address, tracking_uri=store.uri, registry_uri=store.uri)
        return {PurePosixPath(file.path).name: file.file_size for file in repository.list_artifacts(path)}


def delete(store: Store, address: str, owner: str, path: str | None = None) -> None:
    """Delete the artifacts of a run or of a logged model: all of them, or only those at `path`.

    Args:
        store: an open store.
        address: of the artifacts, as the store reports it.
        owner: id of the run or of the model; MLflow keeps its artifacts in a folder of that name.
        path: relative to the address.

    Raises:
        PipelineError: the address does not belong to the owner; anybody who may edit the store can name another folder.
        MlflowException, OSError: they cannot be deleted.
    """
    if PurePosixPath(unquote(urlsplit(address).path)).parts[-2:] != (owner, "artifacts"):
        raise PipelineError(f"{owner}: the store reports its artifacts at {address}, which is not its own folder")
    with default_tracking_uri(store):
        repository = get_artifact_repository(address, tracking_uri=store.uri, registry_uri=store.uri)
        repository.delete_artifacts(path)
