"""Schema of conf/trainer/: the hardware a training runs on."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class TrainerConfig(Section):
    """The hardware a training runs on."""

    accelerator: Literal["auto", "cpu", "gpu"]
    """Device to train and evaluate on; auto: a GPU where there is one."""
    precision: Literal["auto", "32-true", "bf16-mixed"]
    """Numeric precision; auto: bf16-mixed where the processor or GPU computes in it, else 32-true."""
    threads: int | None = Field(ge=1, le=1024)
    """Torch threads of each process; null: torch's own choice, every core, divided among the processes."""
    processes: int = Field(ge=1, le=1024)
    """Processes that divide each batch among them, each with a GPU of its own where there are GPUs."""
