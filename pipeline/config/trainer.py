"""Schema of conf/trainer/: the hardware a training runs on."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class TrainerConfig(Section):
    """The hardware a training runs on."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    """Device to train and evaluate on; auto: an NVIDIA or AMD GPU if there is one, else the CPU; mps: the GPU of an
    Apple chip."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    """Numeric precision; auto: bf16-mixed if the CPU or GPU supports it, else 32-true; 16-mixed is for GPUs without
    bf16, such as the T4."""
    threads: int | None = Field(ge=1, le=1024)
    """Torch threads per process; null: torch's default, every core, divided among the processes."""
    processes: int = Field(ge=1, le=1024)
    """Number of processes that share each batch, each with its own GPU if there are GPUs."""
