"""The model folder of what MLflow has."""

from pathlib import Path

from mlflow.exceptions import MlflowException

from pipeline.config import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.tracking import artifacts
from pipeline.tracking.run import RUN_ID
from pipeline.tracking.store import connect, reason


def fetch_model(config: TrackingConfig, model: str, destination: Path) -> Path:
    """Fetch the model folder of a registered model or of a run.

    Args:
        config: where the store is.
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID/model`, or a run's id.
        destination: an empty folder.

    Raises:
        PipelineError: the store cannot be used, or has no such model.
    """
    store = connect(config)
    uri = f"runs:/{model}/model" if RUN_ID.fullmatch(model) else model
    try:
        return artifacts.download(store, f"{uri}/artifacts/model" if uri.startswith("models:/") else uri, destination)
    except (MlflowException, OSError) as error:
        problem = reason(error)
        if "failures occurred while downloading" in problem:  # which ones, no first line tells
            problem = "its files are gone or cannot be read; `python -m pipeline.register` stores lost ones again"
        raise PipelineError(f"{model} cannot be fetched from {store.name}: {problem}") from None
