"""Reading the weights of a network: safetensors, which holds numbers and no code."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.runtime.errors import PipelineError, translate_os_errors


def read_weights(path: Path, remedy: str) -> dict[str, Tensor]:
    """All tensors of a file, by name.

    Raises:
        PipelineError: the file is missing or damaged, which ends with the remedy, or may not be read.
    """
    try:
        with translate_os_errors(path):
            path.open("rb").close()  # safetensors calls missing what it may not read
            return load_file(path)
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; {remedy}") from None
    except (SafetensorError, OSError) as error:
        raise PipelineError(f"{path} is damaged ({error}); {remedy}") from None
