"""Models by name: a model folder, or an address in MLflow."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.config.params import load_params
from pipeline.config.tracking import TrackingConfig
from pipeline.inference.predictor import Predictor
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import MODEL

IN_MLFLOW = re.compile(r"(models|runs):/.+|[0-9a-f]{32}")


def load(model: Path | str = MODEL) -> Predictor:
    """Load a model to call with texts: `load("artifacts/model")(["a good film"])` gives a list of `Prediction`.

    Args:
        model: a model folder or an address in MLflow, as for `model_folder`.

    Raises:
        PipelineError: there is no such model, or it is damaged.
    """
    with model_folder(model) as folder:
        return Predictor.load(folder)


def add_model_option(parser: ArgumentParser) -> None:
    """Add the option `--model`, whose values are those of `model_folder`."""
    names = "a folder, an MLflow URI such as models:/NAME@ALIAS, a run id (default: artifacts/model)"
    parser.add_argument("--model", default=MODEL, help=names)


@contextmanager
def model_folder(model: Path | str) -> Iterator[Path]:
    """Yield the folder of a model; one from MLflow is temporary, and removed at the end of the block.

    Args:
        model: a model folder; or in MLflow, `models:/sentiment@champion`, another such URI or a run's id.

    Raises:
        PipelineError: MLflow has no such model.
    """
    if not IN_MLFLOW.fullmatch(str(model)) or Path(model).is_dir():
        yield Path(model)
        return
    with TemporaryDirectory() as folder:
        yield fetch_model(load_params().tracking, str(model), Path(folder))


def fetch_model(config: TrackingConfig, model: str, destination: Path) -> Path:
    """Download the model folder of a registered model or of a run, and return its path.

    Args:
        config: names the store.
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID/model`, or a run's id.
        destination: an empty folder.

    Raises:
        PipelineError: the store cannot be used, or has no such model.
    """
    # Imported here, because mlflow takes longer to import than everything else that `predict` needs.
    from mlflow.exceptions import MlflowException

    from pipeline.tracking import artifacts
    from pipeline.tracking.errors import reason
    from pipeline.tracking.query import RUN_ID
    from pipeline.tracking.store import connect

    store = connect(config)
    uri = f"runs:/{model}/model" if RUN_ID.fullmatch(model) else model
    try:
        return artifacts.download(store, f"{uri}/artifacts/model" if uri.startswith("models:/") else uri, destination)
    except (MlflowException, OSError) as error:
        problem = reason(error)
        if "failures occurred while downloading" in problem:  # the first line does not name them
            problem = "its files are gone or cannot be read; `python -m pipeline.register` stores lost files again"
        raise PipelineError(f"{model} cannot be fetched from {store.name}: {problem}") from None
