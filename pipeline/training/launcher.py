"""Launcher of the processes of one training on this machine.

Each process starts from a fresh interpreter. Lightning's own launcher would run the user's command line again in each,
and a trial of a sweep has none of its own; torch's `elastic_launch` has no way for points and log lines to reach the
process that holds the MLflow run, and replaces the handlers of our signals.

The process that starts the others trains nothing itself, so that it can close the MLflow run whatever becomes of them.
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

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its stubs

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.parent_process import end_with
from pipeline.training.hardware import Hardware, set_up_process
from pipeline.training.loggers import LogMetrics

Trained = TypeVar("Trained")
SendMessage = Callable[[str, object], None]
"""Takes the kind of a message and its content."""

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 2
"""Wait for the death of the process that made another one fail."""


def launch(train: Callable[..., Trained], hardware: Hardware, log_metrics: LogMetrics) -> Trained:
    """Call `train(log_metrics=…)` in each of the processes of a training, and return the result of rank 0.

    Args:
        train: picklable.
        hardware: from `resolve_hardware`.
        log_metrics: receives the points of rank 0, in this process.

    Raises:
        PipelineError: a process failed or was killed; the others have been ended.
    """
    results: list[Trained] = []
    receive: dict[str, Callable[[Any], None]] = {
        "metrics": lambda point: log_metrics(*point),
        "log": _log,
        "result": results.append,
    }
    context = multiprocessing.get_context("spawn")
    inbox, outbox = context.Pipe(duplex=False)
    store = TCPStore(LOOPBACK, 0, is_master=True, wait_for_workers=False)
    arguments = os.getpid(), hardware, store.port, outbox, _pickled(train)
    processes = [
        context.Process(target=_run, name=f"process {rank}", args=(rank, *arguments))
        for rank in range(hardware.processes)
    ]
    started = []
    try:
        for process in processes:
            process.start()
            started.append(process)
        outbox.close()  # so that the inbox ends when the last process does
        _listen(inbox, processes, receive)
    finally:
        for process in started:
            process.kill()
            process.join()
    return results[0]


def ignore_metrics(_metrics: Mapping[str, float], _step: int) -> None:
    """Do nothing with a point: the `log_metrics` of every process except rank 0."""


def _listen(inbox: Connection, processes: Sequence[BaseProcess], receive: Mapping[str, Callable[[Any], None]]) -> None:
    """Receive messages until all processes have ended successfully."""
    while True:
        wait([inbox, *(process.sentinel for process in processes if process.exitcode is None)])
        # read once, and before the messages: a process that is known to have ended has sent its last message
        exit_codes = _exit_codes(processes)
        try:
            while inbox.poll():
                kind, content = inbox.recv()
                if kind == "error":
                    wait([process.sentinel for process in processes], GRACE_SECONDS)
                    raise PipelineError(_killed(_exit_codes(processes)) or content)
                receive[kind](content)
        except EOFError:
            for process in processes:
                process.join()
            exit_codes = _exit_codes(processes)
        if problem := _killed(exit_codes):
            raise PipelineError(problem)
        if failed := [name for name, exit_code in exit_codes.items() if exit_code]:
            raise PipelineError(f"training {failed[0]} failed; see what it printed")
        if all(exit_code == 0 for exit_code in exit_codes.values()):
            return


def _exit_codes(processes: Sequence[BaseProcess]) -> dict[str, int | None]:
    return {process.name: process.exitcode for process in processes}


def _killed(exit_codes: Mapping[str, int | None]) -> str | None:
    """Return an error message if a signal has ended one of the processes."""
    for name, exit_code in exit_codes.items():
        if exit_code is not None and exit_code < 0:
            return (
                f"training {name} was ended by {signal.Signals(-exit_code).name}, as happens when memory runs out, and "
                "the others were ended with it; the same command will resume from the newest checkpoint"
            )
    return None


def _run(rank: int, parent: int, hardware: Hardware, port: int, outbox: Connection, pickled_train: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one handles interrupts
    end_with(parent)
    os.environ.update(
        MASTER_ADDR=LOOPBACK,
        MASTER_PORT=str(port),
        WORLD_SIZE=str(hardware.processes),
        LOCAL_WORLD_SIZE=str(hardware.processes),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        GROUP_RANK="0",
        TORCHELASTIC_USE_AGENT_STORE="True",  # the parent holds the store, as torchrun would
        TORCHELASTIC_RESTART_COUNT="0",
    )
    set_up_process(hardware.threads)

    def send(kind: str, content: object) -> None:
        outbox.send_bytes(_pickled((kind, content)))

    try:
        train = pickle.loads(pickled_train)  # noqa: S301  # from the parent process
        if rank == 0:
            logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_ForwardingHandler(send)])
            send("result", train(log_metrics=lambda metrics, step: send("metrics", (metrics, step))))
        else:
            train(log_metrics=ignore_metrics)
    except PipelineError as error:
        send("error", str(error))
    except Exception as error:
        send("error", f"training process {rank} failed: {type(error).__name__}: {error}")
        raise


def _pickled(content: object) -> bytes:
    # Plain pickle copies tensors. That of multiprocessing would share their memory, which needs the sender to stay
    # alive, and shared memory, which containers lack.
    return pickle.dumps(content)


class _ForwardingHandler(logging.handlers.QueueHandler):
    """Sends log records to the parent, in a form that can be pickled."""

    def __init__(self, send: SendMessage) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]  # records go through the pipe
        self._send = send

    def enqueue(self, record: logging.LogRecord) -> None:
        self._send("log", record)


def _log(record: logging.LogRecord) -> None:
    logging.getLogger(record.name).handle(record)
