"""Models by name: a model folder, or an address in MLflow."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.config.tracking import TrackingConfig
from pipeline.inference.model_folder import ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import MODEL

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

VERSION_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>.+)|/(?P<version>\d+))")
MOST_CLASSES_NAMED = 6
"""Most classes that are all named in the line about a model; of more, the first three and their number."""
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


def describe_model(model: Path | str, info: ModelInfo) -> str:
    """Say in one line which model answers: where it is, its version and aliases, its corpus and its classes.

    Args:
        model: as for `model_folder`.
        info: its `config.json`.

    Raises:
        PipelineError: the store cannot be used, or has no such model any more.
    """
    path, here = Path(model), Path.cwd()
    parts = [str(path.relative_to(here) if path.is_relative_to(here) else path)]
    if named := VERSION_URI.fullmatch(str(model)):
        version = find_registered(load_params().tracking, named["name"], named["version"] or named["alias"])
        aliases = ", ".join(version.aliases) or "no alias"
        parts = [f"{named['name']} version {version.version} ({aliases})"]
    return ", ".join(
        [*parts, f"trained on {info.corpus.name or 'an unknown corpus'}", f"answers {_alternatives(info.classes)}"]
    )


def _alternatives(classes: Sequence[str]) -> str:
    if len(classes) > MOST_CLASSES_NAMED:
        return f"one of {len(classes)} classes ({', '.join(classes[:3])}, …)"
    return f"{', '.join(classes[:-1])} or {classes[-1]}"


def find_registered(config: TrackingConfig, name: str, which: str | None = None) -> "ModelVersion":
    """Return a registered version.

    Args:
        config: names the store.
        name: of the registered model.
        which: number or alias of the version; None for the newest.

    Raises:
        PipelineError: the store cannot be used, or has no such version.
    """
    from mlflow.exceptions import MlflowException  # here, as in `fetch_model`

    from pipeline.tracking.errors import reason
    from pipeline.tracking.store import connect

    store = connect(config)
    try:
        if which is None:
            which = str(max(int(found.version) for found in store.client.search_model_versions(f"name = '{name}'")))
        if which.isdecimal():
            return store.client.get_model_version(name, which)
        return store.client.get_model_version_by_alias(name, which)
    except MlflowException as error:
        raise PipelineError(f"models:/{name}: {store.name} has no {which}: {reason(error)}") from None


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
