"""A training in several processes on this machine.

They are started afresh, not by Lightning, which would run the user's command line again in each: a trial of a sweep has
none of its own. The process that starts them is none of them, so that whatever becomes of them it can close the MLflow
run.
"""

import logging
import logging.handlers
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.parent_process import end_with
from pipeline.training import distributed
from pipeline.training.callbacks import LogMetrics
from pipeline.training.hardware import Hardware, set_up_process

Result = TypeVar("Result")
Send = Callable[[str, object], None]
"""Takes the kind of a message and its content."""

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 2
"""In which the death of a process becomes known that another has felt."""


def in_processes(train: Callable[..., Result], hardware: Hardware, log_metrics: LogMetrics) -> Result:
    """Call `train(log_metrics=...)` in each process of a training: here, where it has one or they were started before.

    Args:
        train: picklable.
        hardware: from `resolve_hardware`.
        log_metrics: receives, in this process, the points of rank 0.

    Returns:
        what rank 0 returned.

    Raises:
        PipelineError: a process failed or died; the others are ended.
    """
    if hardware.processes == 1 or distributed.started() > 1:
        return train(log_metrics=log_metrics if distributed.rank() == 0 else _ignore)
    results: list[Result] = []
    receive: dict[str, Callable[[Any], None]] = {
        "metrics": lambda point: log_metrics(*point),
        "log": _log,
        "result": results.append,
    }
    context = multiprocessing.get_context("spawn")
    inbox, outbox = context.Pipe(duplex=False)
    store = TCPStore(LOOPBACK, 0, is_master=True, wait_for_workers=False)
    processes = [
        context.Process(
            target=_run, name=f"process {rank}", args=(rank, os.getpid(), hardware, store.port, outbox, train)
        )
        for rank in range(hardware.processes)
    ]
    started = []
    try:
        for process in processes:
            process.start()
            started.append(process)
        outbox.close()  # the last process to end ends the messages
        _listen(inbox, processes, receive)
    finally:
        for process in started:
            process.kill()
            process.join()
    return results[0]


def _listen(inbox: Connection, processes: Sequence[BaseProcess], receive: Mapping[str, Callable[[Any], None]]) -> None:
    """Receive until all processes have ended well."""
    while True:
        wait([inbox, *(process.sentinel for process in processes if process.exitcode is None)])
        # Read once, and before the messages: a process that is known to have ended has said all it will say.
        exit_codes = _exit_codes(processes)
        try:
            while inbox.poll():
                kind, content = inbox.recv()
                if kind == "error":
                    wait([process.sentinel for process in processes], GRACE_SECONDS)
                    raise PipelineError(_death(_exit_codes(processes)) or content)
                receive[kind](content)
        except EOFError:
            for process in processes:
                process.join()
            exit_codes = _exit_codes(processes)
        if death := _death(exit_codes):
            raise PipelineError(death)
        if failed := [name for name, exit_code in exit_codes.items() if exit_code]:
            raise PipelineError(f"training {failed[0]} failed; what it printed says why")
        if all(exit_code == 0 for exit_code in exit_codes.values()):
            return


def _exit_codes(processes: Sequence[BaseProcess]) -> dict[str, int | None]:
    return {process.name: process.exitcode for process in processes}


def _death(exit_codes: Mapping[str, int | None]) -> str | None:
    for name, exit_code in exit_codes.items():
        if exit_code is not None and exit_code < 0:
            return (
                f"training {name} was ended by {signal.Signals(-exit_code).name}, as the system does where memory "
                "runs out, and the others with it; the same command goes on after the last finished epoch"
            )
    return None


def _run(
    rank: int, parent: int, hardware: Hardware, port: int, outbox: Connection, train: Callable[..., object]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the business of the process that started this one
    end_with(parent)
    os.environ.update(
        MASTER_ADDR=LOOPBACK,
        MASTER_PORT=str(port),
        WORLD_SIZE=str(hardware.processes),
        LOCAL_WORLD_SIZE=str(hardware.processes),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        GROUP_RANK="0",
        TORCHELASTIC_USE_AGENT_STORE="True",  # the store is the parent's, as it is torchrun's
        TORCHELASTIC_RESTART_COUNT="0",
    )
    set_up_process(hardware.threads)

    def send(kind: str, content: object) -> None:
        # plain pickle: as messages, tensors would need their sender alive, and shared memory, which containers lack
        outbox.send_bytes(pickle.dumps((kind, content)))

    try:
        if rank == 0:
            logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_Forward(send)])
            send("result", train(log_metrics=lambda metrics, step: send("metrics", (metrics, step))))
        else:
            train(log_metrics=_ignore)
    except PipelineError as error:
        send("error", str(error))
    except Exception as error:
        send("error", f"training process {rank} failed: {type(error).__name__}: {error}")
        raise


class _Forward(logging.handlers.QueueHandler):
    """Hands log records, fit to be sent, to the parent."""

    def __init__(self, send: Send) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]
        self._send = send

    def enqueue(self, record: logging.LogRecord) -> None:
        self._send("log", record)


def _log(record: logging.LogRecord) -> None:
    logging.getLogger(record.name).handle(record)


def _ignore(_metrics: Mapping[str, float], _step: int) -> None:
    pass
