"""URI of the MLflow store, from the environment or the configuration."""

import os
from pathlib import Path

from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import project_root

SQLITE = "sqlite:///"
URI_VARIABLE, REGISTRY_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"


def tracking_uri(config: TrackingConfig) -> str:
    """Return `MLFLOW_TRACKING_URI`, else the configured URI, else that of a sqlite file in the project root.

    A relative path of a sqlite file starts at the project root, wherever the command is called from. A link is
    resolved, because the artifacts lie beside the file that it leads to. Blanks around the URI and capitals in its
    scheme do not matter.

    Raises:
        PipelineError: the URI is a folder, the path is impossible, or a sqlite URI names no file.
    """
    configured = os.environ.get(URI_VARIABLE, "").strip() or (config.uri or "").strip() or f"{SQLITE}mlflow.db"
    scheme, colon, rest = configured.partition(":")
    scheme = scheme.lower().removesuffix("+pysqlite")  # SQLAlchemy's own name for Python's driver
    if scheme == "file" or not (colon or scheme == "databricks"):
        raise PipelineError(
            f"{masked(configured)}: MLflow keeps models in a database, not in a folder; let MLFLOW_TRACKING_URI or "
            f"tracking.uri name a file, as {SQLITE}PATH, or a server"
        )
    uri = f"{scheme}{colon}{rest}"
    if scheme != "sqlite":
        return uri
    name = uri.removeprefix(SQLITE)
    if not uri.startswith(SQLITE) or name == ":memory:":
        raise PipelineError(
            f"{masked(configured)}: a sqlite store is a file; let MLFLOW_TRACKING_URI or tracking.uri name it "
            f"as {SQLITE}PATH"
        )
    try:
        path = project_root() / Path(name).expanduser()
    except RuntimeError as error:  # the home folder of a user who does not exist
        raise PipelineError(f"{masked(configured)}: {error}; give the absolute path of the file") from None
    if set("?%") & set(str(path)):  # they have a meaning in a URI
        raise PipelineError(f"{path}: MLflow's database cannot have ? or % in its path; rename the folder or the file")
    return f"{SQLITE}{path.resolve() if path.is_symlink() else path}"


def lasting_name(uri: str) -> str:
    """Return a name of a store that survives a move of the project, without credentials.

    The path of a sqlite file in the project is relative to the root.
    """
    return masked(uri).replace(f"{SQLITE}{project_root()}/", SQLITE)


def require_one_store(uri: str) -> None:
    """Refuse an environment that asks for a registry in another store: models are registered beside their runs.

    Raises:
        PipelineError: `MLFLOW_REGISTRY_URI` names another store than `uri`.
    """
    registry = os.environ.get(REGISTRY_VARIABLE)
    if registry not in (None, "", uri, os.environ.get(URI_VARIABLE)):  # MLflow, too, takes an empty one for unset
        raise PipelineError(
            f"{REGISTRY_VARIABLE} names another store than {masked(uri)}, where runs are kept; models are registered "
            f"beside their runs: unset it, or set {URI_VARIABLE} to the same store"
        )
