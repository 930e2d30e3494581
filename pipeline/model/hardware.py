"""What `auto` means on this machine."""

from dataclasses import dataclass
from typing import Literal

import torch

from pipeline.config import TrainerConfig
from pipeline.errors import PipelineError
from pipeline.model.allocator import set_up_allocator


@dataclass(frozen=True)
class Hardware:
    """What a training runs on."""

    accelerator: Literal["cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed"]
    threads: int

    def summary(self) -> dict[str, str | int]:
        """Device (`cpu`, or the GPU's name), precision and threads."""
        device = torch.cuda.get_device_name() if self.accelerator == "gpu" else "cpu"
        return {"device": device, "precision": self.precision, "threads": self.threads}


def resolve_hardware(config: TrainerConfig) -> Hardware:
    """Decide accelerator and precision, and set up torch's threads and this process's memory.

    Raises:
        PipelineError: a GPU is asked for and there is none.
    """
    set_up_allocator()
    torch.set_flush_denormal(True)  # numbers too small to matter, but a hundred times as slow as others
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    cuda = torch.cuda.is_available()
    if config.accelerator == "gpu" and not cuda:
        raise PipelineError("trainer.accelerator: gpu asked for, but torch sees none; use trainer=cpu or trainer=auto")
    gpu = cuda and config.accelerator != "cpu"
    precision = config.precision
    if precision == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False) if gpu else _cpu_computes_bf16()
        precision = "bf16-mixed" if native else "32-true"
    return Hardware("gpu" if gpu else "cpu", precision, torch.get_num_threads())


def _cpu_computes_bf16() -> bool:
    # torch before 2.13 cannot tell; fp32 is right everywhere
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities.get("avx512_bf16", False)
