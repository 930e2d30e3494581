"""Choice of the device that a network runs on."""

from typing import Literal

import torch

from pipeline.runtime.errors import PipelineError


def choose_device(accelerator: Literal["auto", "cpu", "gpu", "mps"]) -> torch.device:
    """Return the device for `trainer.accelerator`: where it is `auto`, a GPU if torch sees one.

    Raises:
        PipelineError: a GPU is asked for, and torch sees none.
    """
    if accelerator == "mps":
        if not torch.backends.mps.is_available():
            raise PipelineError("trainer.accelerator: mps asked for, but torch sees no Apple GPU; use trainer=auto")
        return torch.device("mps")
    gpu = torch.cuda.is_available()
    if accelerator == "gpu" and not gpu:
        raise PipelineError("trainer.accelerator: gpu asked for, but torch sees none; use trainer=cpu or trainer=auto")
    return torch.device("cuda" if gpu and accelerator != "cpu" else "cpu")
