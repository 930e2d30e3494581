"""What `auto` means on this machine."""

from dataclasses import dataclass
from typing import Literal

import torch

from pipeline.config import TrainerConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.training import distributed


@dataclass(frozen=True)
class Hardware:
    """What a training runs on."""

    accelerator: Literal["cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed"]
    threads: int
    """Of each process."""
    processes: int

    def summary(self) -> dict[str, str | int]:
        """Device (`cpu`, or the GPU's name), precision, threads and processes."""
        device = torch.cuda.get_device_name() if self.accelerator == "gpu" else "cpu"
        return {
            "device": device,
            "precision": self.precision,
            "threads": self.threads,
            "processes": self.processes,
        }


def resolve_hardware(config: TrainerConfig) -> Hardware:
    """Decide accelerator and precision, and set up this process; one that starts others keeps its threads.

    Raises:
        PipelineError: a GPU is asked for and there is none, or not one for each process; or torchrun or srun started
            another number of processes than is asked for.
    """
    distributed.adopt_slurm()
    if distributed.started() not in (1, config.processes):
        raise PipelineError(
            f"trainer.processes: {config.processes} asked for, but torchrun or srun started {distributed.started()}; "
            f"use trainer=ddp trainer.processes={distributed.started()}"
        )
    starts_others = config.processes > distributed.started()
    set_up_process(None if starts_others else config.threads)
    cuda = torch.cuda.is_available()
    if config.accelerator == "gpu" and not cuda:
        raise PipelineError("trainer.accelerator: gpu asked for, but torch sees none; use trainer=cpu or trainer=auto")
    gpu = cuda and config.accelerator != "cpu"
    here = config.processes if starts_others else distributed.on_this_node()
    if gpu and here > torch.cuda.device_count():
        raise PipelineError(
            f"trainer.processes: {here} on this machine, but torch sees {torch.cuda.device_count()} GPU; "
            "each process wants one: set fewer, or trainer.accelerator=cpu"
        )
    precision = config.precision
    if precision == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False) if gpu else _cpu_computes_bf16()
        precision = "bf16-mixed" if native else "32-true"
    threads = torch.get_num_threads()
    if starts_others:
        threads = config.threads or max(1, threads // config.processes)
    return Hardware("gpu" if gpu else "cpu", precision, threads, config.processes)


def set_up_process(threads: int | None) -> None:
    """Set up this process's memory and arithmetic for training, and torch's threads; None leaves torch's choice."""
    set_up_allocator()
    torch.set_flush_denormal(True)  # numbers too small to matter, but a hundred times as slow as others
    if threads is not None:
        torch.set_num_threads(threads)


def _cpu_computes_bf16() -> bool:
    # torch before 2.13 cannot tell; fp32 is right everywhere
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities.get("avx512_bf16", False)
