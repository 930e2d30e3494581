"""What `auto` means on this machine."""

import ctypes
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch

from pipeline.config import TrainerConfig
from pipeline.errors import PipelineError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Hardware:
    """What a training runs on."""

    accelerator: Literal["cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed"]
    threads: int

    @property
    def device(self) -> str:
        """`cpu`, or the GPU's name."""
        return torch.cuda.get_device_name() if self.accelerator == "gpu" else "cpu"


def resolve_hardware(config: TrainerConfig) -> Hardware:
    """Decide accelerator and precision, and set torch's threads.

    Raises:
        PipelineError: a GPU is asked for and there is none.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    _keep_freed_memory()
    cuda = torch.cuda.is_available()
    if config.accelerator == "gpu" and not cuda:
        raise PipelineError("trainer.accelerator: gpu asked for, but torch sees none; use trainer=cpu or trainer=auto")
    gpu = cuda and config.accelerator != "cpu"
    precision = config.precision
    if precision == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False) if gpu else _cpu_computes_bf16()
        precision = "bf16-mixed" if native else "32-true"
    return Hardware("gpu" if gpu else "cpu", precision, torch.get_num_threads())


def _keep_freed_memory() -> None:
    """Have glibc keep large blocks instead of returning them to the system after every step.

    Batches differ in length, so every step asks for other sizes; mapping and zeroing fresh pages each time took more
    than half of a training's processor time.
    """
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, GIBIBYTE)
        libc.mallopt(M_TRIM_THRESHOLD, GIBIBYTE)


def _cpu_computes_bf16() -> bool:
    # torch before 2.13 cannot tell; fp32 is right everywhere
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities.get("avx512_bf16", False)
