"""Artifacts by MLflow address (`models:/NAME/VERSION/…`, `runs:/ID/…`, an artifact's own URI): download, delete.

The one module that has MLflow resolve an address. MLflow looks a registered model up in its *default* store, whatever
store it is told, so every address is resolved with the right one as the default.
"""

from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

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


def delete(store: Store, address: str, path: str | None = None) -> None:
    """Delete everything at an address, or only what lies at `path` below it.

    Raises:
        MlflowException, OSError: it cannot be deleted.
    """
    with default_tracking_uri(store):
        repository = get_artifact_repository(address, tracking_uri=store.uri, registry_uri=store.uri)
        repository.delete_artifacts(path)  # type: ignore[no-untyped-call]
