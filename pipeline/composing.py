"""Hydra's complaints as one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import PipelineError


@contextmanager
def clear_errors(*further: type[Exception]) -> Iterator[None]:
    """Turn what Hydra says of conf/ or of an override, and `further` exceptions, into a `PipelineError` of one line."""
    caught: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException, yaml.YAMLError, *further)
    try:
        yield
    except caught as error:
        raise PipelineError(f"conf/: {' '.join(str(error).split())}") from None
