"""params.yaml: the composed configuration as DVC stores it."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.config.schema import Config, validate
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import PARAMS


def load_params(path: Path = PARAMS) -> Config:
    """Read and validate the composed configuration that DVC stores.

    Raises:
        PipelineError: the file is missing, not YAML, or does not fit.
    """
    return validate(read_params(path))


def read_params(path: Path) -> Any:
    """Read the composed configuration as it is.

    Raises:
        PipelineError: the file is missing or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run `python -m pipeline.compose` to compose it from conf/") from None
    # PyYAML raises Python's own errors for an impossible date or number
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PipelineError(f"{path} is not YAML ({str(error).splitlines()[0]}); delete it and compose anew") from None
