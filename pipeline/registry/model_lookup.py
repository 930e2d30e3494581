"""Models by name: a model folder, or an address in MLflow."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import MODEL

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from pipeline.inference.model_info import ModelInfo
    from pipeline.inference.predictor import Predictor
    from pipeline.tracking.store import Store

VERSION_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>.+)|/(?P<version>\d+|latest))")
NEWEST = "latest"
"""MLflow's word for the newest version, in place of its number."""
MAX_CLASSES_NAMED = 6
"""Maximum number of classes that the line about a model names; with more, it names three and their number."""
IN_MLFLOW = re.compile(r"(models|runs):/.+|[0-9a-f]{32}")
LOGGED_MODEL = re.compile(r"/(m-[0-9a-f]{32})(/|$)")
"""Pattern of the id that MLflow gives to a logged model, in addresses of the model and of its files."""


def load(model: Path | str = MODEL) -> "Predictor":
    """Load a model to call with texts: `load("artifacts/model")(["a good film"])` gives a list of `Prediction`.

    Args:
        model: a model folder or an address in MLflow, as for `model_folder`.

    Raises:
        PipelineError: there is no such model, or it is damaged.
    """
    from pipeline.inference.predictor import Predictor  # here: the option `--model` needs no torch

    with model_folder(model) as folder:
        return Predictor.load(folder)


def add_model_option(parser: ArgumentParser) -> None:
    """Add the option `--model`, whose values are those of `model_folder`."""
    names = "a folder, an MLflow URI such as models:/NAME@ALIAS, a run id (default: artifacts/model)"
    parser.add_argument("--model", default=MODEL, help=names)


def resolve_alias(model: Path | str, store: "Store | None" = None) -> Path | str:
    """Return the address of the version that an alias, or `latest`, names now; any other model unchanged.

    A command does so once: the alias may name another version before the command ends.

    Args:
        model: as for `model_folder`.
        store: open store to look the alias up in; None for that of `params.yaml`.

    Raises:
        PipelineError: the store cannot be used, or has no such alias.
    """
    named = VERSION_URI.fullmatch(str(model))
    if named is None or (named["version"] or "").isdecimal():
        return model
    version = registered_version(store or _project_store(), **named.groupdict())
    return f"models:/{version.name}/{version.version}"


def describe_model(model: Path | str, info: "ModelInfo", store: "Store | None" = None) -> str:
    """Describe in one line the model that answers: where it is, its version and aliases, its corpus and its classes.

    Args:
        model: as for `model_folder`, but without an alias: `resolve_alias` has found the version that was loaded.
        info: its `config.json`.
        store: as for `model_folder`.

    Raises:
        PipelineError: the store cannot be used, or has no such model any more.
    """
    parts = [short_name(model)]
    if named := VERSION_URI.fullmatch(str(model)):
        version = registered_version(store or _project_store(), **named.groupdict())
        aliases = ", ".join(version.aliases) or "no alias"
        parts = [f"{named['name']} version {version.version} ({aliases})"]
    return ", ".join(
        [*parts, f"trained on {info.corpus.name or 'an unknown corpus'}", f"answers {_alternatives(info.classes)}"]
    )


def short_name(model: Path | str) -> str:
    """Return a model's address, or the path of its folder, relative to the working directory if it lies there."""
    path, here = Path(model), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(model)


def _alternatives(classes: Sequence[str]) -> str:
    if len(classes) > MAX_CLASSES_NAMED:
        return f"one of {len(classes)} classes ({', '.join(classes[:3])}, …)"
    return f"{', '.join(classes[:-1])} or {classes[-1]}"


def find_registered(config: TrackingConfig, name: str, alias: str | None = None) -> "ModelVersion":
    """Return a registered version.

    Args:
        config: names the store.
        name: of the registered model.
        alias: of the version; None for the newest.

    Raises:
        PipelineError: the store cannot be used, or has no such version.
    """
    from pipeline.tracking.store import connect  # here, as in `fetch_model`

    return registered_version(connect(config), name, alias)


def registered_version(
    store: "Store", name: str, alias: str | None = None, version: str | None = None
) -> "ModelVersion":
    """Return a registered version of an open store.

    Args:
        store: an open store.
        name: of the registered model.
        alias: of the version, which may look like a number; None if `version` names it.
        version: its number; None or `latest` for the newest.

    Raises:
        PipelineError: the store has no such version.
    """
    from mlflow.exceptions import MlflowException  # here, as in `fetch_model`

    from pipeline.tracking.errors import reason

    wanted = "version" if version is None else f"version {version}"
    try:
        if alias is not None:
            wanted = f"alias {alias}"
            return store.client.get_model_version_by_alias(name, alias)
        if version is None or version == NEWEST:
            versions = [int(each.version) for each in store.client.search_model_versions(f"name = '{name}'")]
            if not versions:
                raise PipelineError(f"models:/{name}: {store.name} has no version of it; `dvc repro` registers one")
            version = str(max(versions))
        return store.client.get_model_version(name, version)
    except MlflowException as error:
        raise PipelineError(f"models:/{name}: {store.name} has no {wanted}: {reason(error)}") from None


def logged_model_id(store: "Store", version: "ModelVersion") -> str | None:
    """Return the id of the logged model whose files a version has; None for files of another kind.

    A version that was copied from another one (`copy_model_version`) has the files of that one.

    Raises:
        MlflowException: the store failed.
    """
    found = LOGGED_MODEL.search(str(version.source))  # `model_id` is not filled in by every store
    if found is None:
        found = LOGGED_MODEL.search(store.client.get_model_version_download_uri(version.name, version.version))
    return found and found[1]


@dataclass(frozen=True)
class ModelSource:
    """Place of a model in MLflow."""

    run_id: str | None
    """Run that made it."""
    model_id: str | None
    """Id of the logged model; None for a run whose model was never registered."""


def find_source(store: "Store", model: str) -> ModelSource:
    """Return the run and the logged model of an address in MLflow.

    Args:
        store: an open store, which has the model.
        model: as for `fetch_model`.

    Raises:
        PipelineError: it is a folder; or the store has no such model any more.
    """
    from pipeline.tracking.errors import translate_mlflow_errors
    from pipeline.tracking.query import equals

    if not IN_MLFLOW.fullmatch(model):
        raise PipelineError(f"{model} is a folder; name a model in MLflow: models:/NAME@ALIAS or a run's id")
    with translate_mlflow_errors(store.uri):
        if named := VERSION_URI.fullmatch(model):
            version = registered_version(store, **named.groupdict())
            return ModelSource(version.run_id, logged_model_id(store, version))
        scheme, _, path = model.rpartition(":/")
        first = path.strip("/").partition("/")[0]
        if scheme == "models":
            return ModelSource(store.client.get_logged_model(first).source_run_id, first)
        experiment = store.client.get_run(first).info.experiment_id  # it need not be the present one
        logged = store.client.search_logged_models([experiment], equals(source_run_id=first))
        return ModelSource(first, logged[0].model_id if logged else None)


@contextmanager
def model_folder(model: Path | str, store: "Store | None" = None) -> Iterator[Path]:
    """Yield the folder of a model; one from MLflow is temporary, and removed at the end of the block.

    Args:
        model: a model folder; or in MLflow, `models:/sentiment@champion`, another such URI or a run's id.
        store: open store of a model in MLflow; None for that of `params.yaml`.

    Raises:
        PipelineError: MLflow has no such model.
    """
    if not IN_MLFLOW.fullmatch(str(model)) or Path(model).is_dir():
        yield Path(model)
        return
    with TemporaryDirectory() as folder:
        fetched = fetch_model(store or _project_store(), str(model), Path(folder))
        try:
            yield fetched
        except PipelineError as error:  # it may name the temporary folder, about which nobody can do anything
            from pipeline.inference.model_folder import MAKE_AGAIN  # here, as in `load`

            text = str(error).replace(str(fetched), str(model))
            if text == str(error):
                raise
            stored_again = "`python -m pipeline.register`, where it was trained, stores its files again"
            raise PipelineError(text.replace(MAKE_AGAIN, stored_again)) from None


def _project_store() -> "Store":
    from pipeline.tracking.store import connect  # here, as in `fetch_model`

    return connect(load_params().tracking)


def fetch_model(store: "Store", model: str, destination: Path) -> Path:
    """Download the model folder of a registered model or of a run, and return its path.

    Args:
        store: an open store.
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID/model`, or a run's id.
        destination: an empty folder.

    Raises:
        PipelineError: the store does not answer, or has no such model.
    """
    # Imported here, because mlflow takes longer to import than everything else that `predict` needs.
    from mlflow.exceptions import MlflowException

    from pipeline.tracking import artifacts
    from pipeline.tracking.errors import reason
    from pipeline.tracking.query import RUN_ID

    uri = f"runs:/{model}/model" if RUN_ID.fullmatch(model) else model
    try:
        return artifacts.download(store, f"{uri}/artifacts/model" if uri.startswith("models:/") else uri, destination)
    except (MlflowException, OSError) as error:
        problem = reason(error)
        if "failures occurred while downloading" in problem:  # the first line does not name them
            problem = "its files are gone or cannot be read; `python -m pipeline.register` stores lost files again"
        raise PipelineError(f"{model} cannot be fetched from {store.name}: {problem}") from None
