"""Models by name: a folder, or what MLflow has."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.config import load_params
from pipeline.inference.predictor import Predictor
from pipeline.runtime.paths import WORKSPACE

DEFAULT = WORKSPACE / "artifacts" / "model"
IN_MLFLOW = re.compile(r"(models|runs):/.+|[0-9a-f]{32}")


def load(model: Path | str = DEFAULT) -> Predictor:
    """Load a model to call with texts: `load("artifacts/model")(["a good film"])` gives a list of `Prediction`.

    Args:
        model: a model folder; or what MLflow has, as for `model_folder`.

    Raises:
        PipelineError: there is no such model, or it is damaged.
    """
    with model_folder(model) as folder:
        return Predictor.load(folder)


def add_model_option(parser: ArgumentParser) -> None:
    """Add `--model`, which takes what `model_folder` does."""
    names = "a folder, an MLflow URI such as models:/NAME@ALIAS, a run id (default: artifacts/model)"
    parser.add_argument("--model", default=DEFAULT, help=names)


@contextmanager
def model_folder(model: Path | str) -> Iterator[Path]:
    """Yield the folder of a model; one of MLflow's is fetched, and removed at the end of the block.

    Args:
        model: a model folder; or what MLflow has, as `models:/sentiment@champion`, another such URI or a run's id.

    Raises:
        PipelineError: MLflow has no such model.
    """
    if not IN_MLFLOW.fullmatch(str(model)) or Path(model).is_dir():
        yield Path(model)
        return
    from pipeline.registry.fetching import fetch_model  # loads mlflow, which takes longer than all else here

    with TemporaryDirectory() as folder:
        yield fetch_model(load_params().tracking, str(model), Path(folder))
