"""Distributed training: the rank of this process, its share of a batch, and exchange with the other processes.

A process on its own is rank 0 of 1. Several processes know of one another by torch's environment variables. torchrun
sets them, `pipeline.training.launcher` sets them for the processes it starts, and `adopt_slurm` translates srun's.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from pipeline.runtime.errors import PipelineError

GROUP_TIMEOUT = timedelta(minutes=10)
"""Longest wait for the other processes."""

Value = TypeVar("Value")


def adopt_slurm() -> None:
    """Translate srun's environment variables into torch's where srun started this process as one of several."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks == 1 or "WORLD_SIZE" in os.environ:
        return
    # imported here because nothing else in this module needs Lightning
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    slurm, nodes = os.environ, int(os.environ["SLURM_STEP_NUM_NODES"])
    first_node = SLURMEnvironment.resolve_root_node_address(slurm["SLURM_STEP_NODELIST"])
    os.environ.setdefault("MASTER_ADDR", first_node)
    os.environ.setdefault("MASTER_PORT", str(15000 + int(slurm["SLURM_JOB_ID"]) % 10000))
    os.environ.update(
        WORLD_SIZE=str(tasks),
        LOCAL_WORLD_SIZE=str(tasks // nodes),
        RANK=slurm["SLURM_PROCID"],
        LOCAL_RANK=slurm["SLURM_LOCALID"],
        GROUP_RANK=slurm["SLURM_NODEID"],
    )


def world_size() -> int:
    """Return the number of processes of this training on all nodes; 1 unless torchrun, srun or the launcher runs it."""
    return _integer_variable("WORLD_SIZE") if "WORLD_SIZE" in os.environ else 1


def local_world_size() -> int:
    """Return the number of these processes on this machine."""
    return _integer_variable("LOCAL_WORLD_SIZE") if world_size() > 1 else 1


def rank() -> int:
    """Return the number of this process among them, from 0. Only rank 0 opens the MLflow run and writes outputs."""
    return _integer_variable("RANK") if world_size() > 1 else 0


def _integer_variable(name: str) -> int:
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        raise PipelineError(
            f"the environment variable {name} is {os.environ.get(name, 'missing')!r}, no number; start the processes "
            "with torchrun or srun, or unset WORLD_SIZE"
        ) from None


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes for the block; does nothing for a process on its own, or one that has joined them.

    Raises:
        PipelineError: the other processes did not join in time.
    """
    if world_size() == 1 or dist.is_initialized():
        yield
        return
    try:
        # objects travel by gloo, gradients by what suits their device
        gpus = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=GROUP_TIMEOUT)
    except (dist.DistError, RuntimeError, ValueError) as error:
        address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise PipelineError(
            f"process {rank()} of {world_size()} did not meet the others at {address}: {str(error).splitlines()[0]}; "
            "check that all of them were started and that every node can reach MASTER_ADDR and MASTER_PORT"
        ) from error
    yield
    dist.destroy_process_group()  # not after an error: the others would report the lost connection as the cause


def share(rows: Sequence[Value]) -> tuple[Sequence[Value], int]:
    """Return this process's rows of a batch, and how many of them count.

    Where a batch has fewer rows than there are processes, some processes compute on a row of another one, since all
    must take part in each step. That row does not count.
    """
    own = rows[rank() :: world_size()]
    return (own, len(own)) if own else (rows[:1], 0)


def gather(value: Value) -> list[Value]:
    """Return the values of all processes, in the order of their ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def decided_by_rank_0(decide: Callable[[], Value]) -> Value:
    """Return, in every process, what `decide` returns in the process of rank 0."""
    return gather(decide() if rank() == 0 else None)[0]  # type: ignore[return-value]  # None is not at 0
