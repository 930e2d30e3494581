"""Artifacts by MLflow address (`models:/NAME/VERSION/…`, `runs:/ID/…`, an artifact's own URI): download, list, delete.

The one module that has MLflow resolve an address. MLflow looks a registered model up in its *default* store, whatever
store it is told, so every address is resolved with the right one as the default.
"""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlflow.artifacts import download_artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.runtime.errors import PipelineError
from pipeline.tracking.store import Store, default_tracking_uri


def download(store: Store, address: str, destination: Path) -> Path:
    """Fetch a file or folder.

    Args:
        store: an open store.
        address: of the file or folder.
        destination: a folder to put it into.

    Returns:
        Its path.

    Raises:
        MlflowException, OSError: it is not there, or cannot be fetched.
    """
    with default_tracking_uri(store):
        path = download_artifacts(
            artifact_uri=address, dst_path=str(destination), tracking_uri=store.uri, registry_uri=store.uri
        )
    return Path(path)


def names(store: Store, address: str, path: str) -> set[str]:
    """The names of the files in the folder `path` at an address.

    Raises:
        MlflowException, OSError: the store does not say.
    """
    with default_tracking_uri(store):
        repository = get_artifact_repository(address, tracking_uri=store.uri, registry_uri=store.uri)
        return {PurePosixPath(file.path).name for file in repository.list_artifacts(path)}


def delete(store: Store, address: str, owner: str, path: str | None = None) -> None:
    """Delete the artifacts of a run or of a logged model, or only what lies at `path` among them.

    Args:
        store: an open store.
        address: of the artifacts, as the store tells it.
        owner: id of the run or of the model: MLflow puts artifacts into a folder of that name.
        path: relative to the address.

    Raises:
        PipelineError: the address is not the owner's; whoever may edit the store may have named another folder.
        MlflowException, OSError: they cannot be deleted.
    """
    if PurePosixPath(unquote(urlsplit(address).path)).parts[-2:] != (owner, "artifacts"):
        raise PipelineError(f"{owner}: its artifacts are said to be at {address}, which is no place of its own")
    with default_tracking_uri(store):
        repository = get_artifact_repository(address, tracking_uri=store.uri, registry_uri=store.uri)
        repository.delete_artifacts(path)  # type: ignore[no-untyped-call]
