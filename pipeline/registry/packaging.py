"""Content of a registered version: the model folder, the code that runs it, its signature and its requirements.

A version is `models from code` of MLflow's pyfunc flavour, so that loading it unpickles nothing.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from pipeline.inference import pyfunc
from pipeline.inference.model_folder import read_model_info
from pipeline.runtime.atomic import write_text
from pipeline.runtime.code_digest import Code

logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # it announces each check of the example

REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "regex",
    "safetensors",
    "sentencepiece",
    "torch",
    "torchtext",
)
"""Packages that the registered model imports; it requires the versions it was made with."""
OUTPUT_SCHEMA = Schema([ColSpec("string", "label"), ColSpec("double", "probability")])
PARAM_SCHEMA = ParamSchema([ParamSpec(pyfunc.OUTPUT, "string", default=None)])
MODEL_CONFIG = {pyfunc.OUTPUT: pyfunc.TABLE}
"""Configuration that a caller of `mlflow.pyfunc.load_model` may change."""
CARD_FILE = "README.md"
"""Name of the model card, beside the model's weights."""
INPUT_EXAMPLE = [
    "A warm, funny film that I would gladly see again.",
    "Two hours of my life that nobody gives back.",
]


@dataclass(frozen=True)
class Candidate:
    """Model that is about to be registered."""

    folder: Path
    """Model folder."""
    run_id: str
    """Run that made it; the store has it."""
    tags: Mapping[str, str]
    description: str
    """Model card in Markdown, for people who open the version in the registry or its folder."""
    front_matter: str = ""
    """Lines before the card, in the folder alone: MLflow would show it as a heading."""


def package_model(candidate: Candidate, model_id: str, scratch: Path) -> Path:
    """Write the folder that MLflow stores for a version.

    Args:
        candidate: the model.
        model_id: of MLflow's logged model.
        scratch: an empty folder.

    Returns:
        The folder, in `scratch`.
    """
    path, folder = scratch / "model", scratch / "copy" / "model"
    columns = read_model_info(candidate.folder / "config.json").text_columns[0]
    shutil.copytree(candidate.folder, folder)  # MLflow rejects links, which DVC may have made of the files
    mlflow.pyfunc.save_model(
        path,
        python_model=pyfunc.__file__,
        artifacts={"model": str(folder)},
        code_paths=[str(_copy_served_code(scratch / "code"))],
        signature=signature(columns),
        model_config=MODEL_CONFIG,
        input_example=dict.fromkeys(columns, INPUT_EXAMPLE),
        pip_requirements=requirements(),
        mlflow_model=Model(model_uuid=model_id, model_id=model_id, run_id=candidate.run_id),
    )
    write_text(path / "artifacts" / folder.name / CARD_FILE, candidate.front_matter + candidate.description)
    return path


def signature(text_columns: Sequence[str]) -> ModelSignature:
    """Return the signature of the registered model, for people and tools to read.

    MLflow would refuse a list of texts, which has no names, and drop the columns that the signature does not name
    before the model can find or refuse them. It leaves inputs unchanged if the signature stands for a type hint.

    Args:
        text_columns: columns of the texts in a table.
    """
    declared = ModelSignature(Schema([ColSpec("string", name) for name in text_columns]), OUTPUT_SCHEMA, PARAM_SCHEMA)
    declared._is_signature_from_type_hint = True
    return declared


def requirements() -> list[str]:
    """Return the packages that the registered model needs, at the installed versions without labels such as `+cpu`."""
    return [f"{package}=={installed(package).split('+')[0]}" for package in REQUIREMENTS]


def _copy_served_code(destination: Path) -> Path:
    """Copy the modules that the registered model runs; they import neither Lightning nor this package.

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
