"""What Hydra composed as a `Config`, and its complaints as one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from pipeline.config import Config, validate
from pipeline.credentials import masked
from pipeline.errors import PipelineError


@contextmanager
def clear_errors(*further: type[Exception]) -> Iterator[None]:
    """Turn what Hydra says of conf/ or of an override, and `further` exceptions, into a `PipelineError` of one line."""
    caught: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException, yaml.YAMLError, *further)
    try:
        yield
    except InterpolationKeyError as error:
        taken = str(error).split("'")[1]
        raise PipelineError(
            f"conf/: {error.full_key} is taken from {taken}, which the chosen files do not have; choose files that go "
            f"together, or set {error.full_key}"
        ) from None
    except caught as error:
        raise PipelineError(f"conf/: {masked(' '.join(str(error).split()))}") from None


def validated(composed: DictConfig) -> Config:
    """The configuration, with all interpolations resolved; what Hydra keeps for itself is left out.

    Raises:
        PipelineError: an interpolation cannot be resolved, or a value does not fit.
    """
    values = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    with clear_errors():
        return validate(OmegaConf.to_container(values, resolve=True))
