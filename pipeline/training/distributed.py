"""The processes of one training, and what each has to know of the others: its rank, its share, what they all hold.

A process alone is rank 0 of one. Where there are several, their environment says so in torch's own variables: torchrun
sets them, `pipeline.training.launcher` does for the processes it starts, and srun's are translated.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from pipeline.runtime.errors import PipelineError

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others before it fails."""

Item = TypeVar("Item")


def adopt_slurm() -> None:
    """Where srun started this process as one of several, say so in torch's variables."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks == 1 or "WORLD_SIZE" in os.environ:
        return
    # loaded only here: nothing else in this module needs Lightning
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    slurm, nodes = os.environ, int(os.environ["SLURM_STEP_NUM_NODES"])
    first = SLURMEnvironment.resolve_root_node_address(slurm["SLURM_STEP_NODELIST"])
    os.environ.setdefault("MASTER_ADDR", first)
    os.environ.setdefault("MASTER_PORT", str(15000 + int(slurm["SLURM_JOB_ID"]) % 10000))
    os.environ.update(
        WORLD_SIZE=str(tasks),
        LOCAL_WORLD_SIZE=str(tasks // nodes),
        RANK=slurm["SLURM_PROCID"],
        LOCAL_RANK=slurm["SLURM_LOCALID"],
        GROUP_RANK=slurm["SLURM_NODEID"],
    )


def started() -> int:
    """How many processes torchrun or srun started for this training, on all nodes; 1 where neither did."""
    return _number("WORLD_SIZE") if "WORLD_SIZE" in os.environ else 1


def rank() -> int:
    """The number of this process among them, from 0. Rank 0 leads: it alone opens the MLflow run and writes outputs."""
    return _number("RANK") if started() > 1 else 0


def _number(variable: str) -> int:
    try:
        return int(os.environ[variable])
    except (KeyError, ValueError):
        raise PipelineError(
            f"the environment's {variable} is {os.environ.get(variable, 'missing')!r}, no number; start the processes "
            "with torchrun or srun, or unset WORLD_SIZE"
        ) from None


def on_this_node() -> int:
    """How many of them are on this machine."""
    return _number("LOCAL_WORLD_SIZE") if started() > 1 else 1


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes for the block; nothing to do for a process alone.

    Raises:
        PipelineError: the others did not come.
    """
    if started() == 1:
        yield
        return
    try:
        # objects travel by gloo, gradients by what suits their device
        gpus = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=PATIENCE)
    except (dist.DistError, RuntimeError, ValueError) as error:
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise PipelineError(
            f"process {rank()} of {started()} did not meet the others at {place}: {str(error).splitlines()[0]}; see "
            "that all were started and that MASTER_ADDR and MASTER_PORT can be reached from each node"
        ) from error
    yield
    dist.destroy_process_group()  # after an error the others would take the lost connection for the cause


def share(rows: Sequence[Item]) -> tuple[Sequence[Item], int]:
    """The rows of a batch that are this process's, and how many count: all, or none of the one that fills a gap.

    Where a batch has fewer rows than there are processes, some compute on a row that is another's, for none may lag.
    """
    own = rows[rank() :: started()]
    return (own, len(own)) if own else (rows[:1], 0)


def gathered(value: Item) -> list[Item]:
    """The value that each process has, in the order of their ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * started()
    dist.all_gather_object(values, value)
    return values


def leaders(decide: Callable[[], Item]) -> Item:
    """What rank 0 decides, for all."""
    return gathered(decide() if rank() == 0 else None)[0]  # type: ignore[return-value]
