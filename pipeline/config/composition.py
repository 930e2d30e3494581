"""Composition of conf/ with Hydra, whose errors become one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from pipeline.config.schema import Config, validate
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF


@contextmanager
def translate_hydra_errors(*further: type[Exception]) -> Iterator[None]:
    """Turn Hydra's errors about conf/ or an override, and `further` exceptions, into a `PipelineError` of one line."""
    caught: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException, yaml.YAMLError, *further)
    try:
        yield
    except InterpolationKeyError as error:
        source = str(error).split("'")[1]
        raise PipelineError(
            f"conf/: {error.full_key} is taken from {source}, which the chosen files do not have; choose files that go "
            f"together, or set {error.full_key}"
        ) from None
    except caught as error:
        raise PipelineError(f"conf/: {masked(_in_our_words(' '.join(str(error).split())))}") from None


def _in_our_words(error: str) -> str:
    """Reword Hydra's error about a mistyped name: it advises `+`, which the schema refuses, and lists its paths."""
    from pipeline.config.reference import problem_of_override  # slow: the schema in JSON

    unknown = re.search(r"Could not override '(.+?)'|Could not find '(.+)/(.+?)' Available options in", error)
    return (unknown and problem_of_override(unknown[1] or unknown[2], unknown[3] or "")) or error


def compose_config(overrides: list[str], conf: Path = CONF) -> dict[str, Any]:
    """Compose `conf/`, or a copy of it, with Hydra overrides such as `model=gru`.

    Raises:
        PipelineError: a file of conf/ is missing or wrong, or an override does not fit it.
    """
    with (
        translate_hydra_errors(ValueError, RecursionError),  # a file that is not UTF-8, an impossible number
        initialize_config_dir(str(conf), version_base="1.3"),
    ):
        values = OmegaConf.to_container(compose("config", overrides), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def validate_composed(composed: DictConfig) -> Config:
    """Validate a composed configuration, with all interpolations resolved and Hydra's own section left out.

    Raises:
        PipelineError: an interpolation cannot be resolved, or a value does not fit.
    """
    values = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    with translate_hydra_errors():
        return validate(OmegaConf.to_container(values, resolve=True))
