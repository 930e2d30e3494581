"""Files of network weights: safetensors, which holds numbers and no code."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.runtime.errors import PipelineError, translate_os_errors


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write tensors by name; the same tensors give the same bytes."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, path)


def read_weights(path: Path, remedy: str) -> dict[str, Tensor]:
    """Read all tensors of a file, by name.

    Raises:
        PipelineError: the file is missing or damaged, in which case the message ends with the remedy; or access to it
            is denied.
    """
    try:
        with translate_os_errors(path):
            path.open("rb").close()  # safetensors reports a file that may not be read as missing
            return load_file(path)
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; {remedy}") from None
    except (SafetensorError, OSError) as error:
        raise PipelineError(f"{path} is damaged ({error}); {remedy}") from None
