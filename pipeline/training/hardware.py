"""Hardware of a training: device, precision, threads and processes."""

from dataclasses import dataclass
from typing import Literal

import torch

from pipeline.config.trainer import TrainerConfig
from pipeline.inference.device import choose_device
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.training import distributed

Accelerator = Literal["cpu", "gpu", "mps"]
"""Lightning's name for a kind of device."""
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Lightning's name for the numbers that are computed with."""


@dataclass(frozen=True)
class Hardware:
    """Device, precision, threads and processes that a training runs with."""

    accelerator: Accelerator
    precision: Precision
    threads: int
    """Torch threads of each process."""
    processes: int
    """Processes on all machines (the world size), each with one device."""

    @property
    def device(self) -> torch.device:
        """Device that this process computes on outside of Lightning's `Trainer`."""
        return torch.device("cuda" if self.accelerator == "gpu" else self.accelerator)

    def summary(self) -> dict[str, str | int]:
        """Return the device (`cpu`, `mps` or the name of the GPU), precision, threads and processes."""
        device = torch.cuda.get_device_name() if self.accelerator == "gpu" else self.accelerator
        return {
            "device": device,
            "precision": self.precision,
            "threads": self.threads,
            "processes": self.processes,
        }


def resolve_hardware(config: TrainerConfig) -> Hardware:
    """Choose device and precision where the configuration says `auto`, and set up this process for training.

    A process that will start the processes of the training keeps its own number of threads.

    Raises:
        PipelineError: the configuration asks for a GPU, or for one in each process, and there are not enough; for
            another number of processes than torchrun or srun started; or for 16-mixed without a GPU.
    """
    distributed.adopt_slurm()
    if distributed.world_size() not in (1, config.processes):
        raise PipelineError(
            f"trainer.processes: {config.processes} asked for, but torchrun or srun started "
            f"{distributed.world_size()}; use trainer=ddp trainer.processes={distributed.world_size()}"
        )
    starts_others = config.processes > distributed.world_size()
    set_up_process(None if starts_others else config.threads)
    device = choose_device(config.accelerator)
    gpu = device.type == "cuda"
    local_processes = config.processes if starts_others else distributed.local_world_size()
    if gpu and local_processes > torch.cuda.device_count():
        raise PipelineError(
            f"trainer.processes: {local_processes} on this machine, but torch sees {torch.cuda.device_count()} GPU; "
            "each process needs one: set fewer, or trainer.accelerator=cpu"
        )
    if config.precision == "16-mixed" and not gpu:
        raise PipelineError(
            f"trainer.precision: 16-mixed needs an NVIDIA or AMD GPU, and this training runs on {device.type}; use "
            "trainer.precision=auto"
        )
    if device.type == "mps" and config.processes > 1:
        raise PipelineError("trainer.processes: an Apple GPU is used by one process; use trainer.processes=1")
    precision = _fastest_precision(device) if config.precision == "auto" else config.precision
    threads = torch.get_num_threads()
    if starts_others:
        threads = config.threads or max(1, threads // config.processes)
    accelerator: Accelerator = "gpu" if gpu else "mps" if device.type == "mps" else "cpu"
    return Hardware(accelerator, precision, threads, config.processes)


def set_up_process(threads: int | None) -> None:
    """Set up this process's memory allocation, arithmetic and torch threads; None keeps torch's choice of threads."""
    set_up_allocator()
    torch.set_flush_denormal(True)  # denormal numbers are too small to matter, and a hundred times as slow
    if threads is not None:
        torch.set_num_threads(threads)


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed torch's random numbers on the processor and on the device of this process.

    `torch.manual_seed` also seeds every kind of device that there is not, which takes a millisecond.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def _fastest_precision(device: torch.device) -> Precision:
    """Return bf16-mixed where the device computes bf16 natively, else 32-true."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # torch before 2.13 does not tell; fp32 is right everywhere
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        native = device.type == "cpu" and capabilities.get("avx512_bf16", False)
    return "bf16-mixed" if native else "32-true"
