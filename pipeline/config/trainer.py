"""Schema of conf/trainer/: the hardware a training runs on."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class TrainerConfig(Section):
    """The hardware a training runs on."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    """Device to train and evaluate on; auto: an NVIDIA or AMD GPU where there is one, else the processor; mps: the GPU
    of an Apple processor."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    """Numeric precision; auto: bf16-mixed where the processor or GPU computes in it, else 32-true; 16-mixed is for
    GPUs without it, such as the T4."""
    threads: int | None = Field(ge=1, le=1024)
    """Torch threads of each process; null: torch's own choice, every core, divided among the processes."""
    processes: int = Field(ge=1, le=1024)
    """Processes that divide each batch among them, each with a GPU of its own where there are GPUs."""
