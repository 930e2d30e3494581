"""A sentiment-training pipeline: DVC stages, Hydra configs, a Lightning SentimentRNN, MLflow tracking and registry."""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from threading import Timer
from types import FrameType
from typing import NoReturn

STDERR = 2
RESEND_SECONDS = 0.1
_LINES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_told: set[int] = set()


def end(number: int, _frame: FrameType | None = None) -> NoReturn:
    """End the command for a signal: one line, and the exit code that shells give it."""
    if number not in _told:  # else this is the same signal again, from `_resend`
        _told.add(number)
        # not by print: it refuses where the signal came in the middle of another line, and logging would hide that
        os.write(STDERR, f"{_LINES[signal.Signals(number)]}\n".encode())
    sys.exit(128 + number)


def handle_signals(interrupt: Callable[[int, FrameType | None], object] = end) -> None:
    """Let SIGTERM end the command, and SIGINT call `interrupt`; not where the caller has them ignored."""
    for number, handler in ((signal.SIGINT, interrupt), (signal.SIGTERM, end)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _resend


def _resend(dropped: "sys.UnraisableHookArgs") -> None:
    """Send a signal again that came within a destructor or a weakref's callback: Python drops what is raised there."""
    match dropped.exc_value:
        case KeyboardInterrupt():
            number = int(signal.SIGINT)
        case SystemExit(code=130 | 143 as code):
            number = code - 128
        case _:
            sys.__unraisablehook__(dropped)
            return
    with suppress(RuntimeError):  # the interpreter shuts down and starts no thread: the command has ended
        # later: what is raised in this hook is dropped, too
        Timer(RESEND_SECONDS, os.kill, (os.getpid(), number)).start()


def begin_command() -> None:
    """Prepare the process of a command; the signals are handled as long as it looks for its module, for seconds."""
    handle_signals()
    # Who makes errors of warnings has code of his own in mind: here those of libraries would end each command.
    warnings.filters = [entry for entry in warnings.filters if entry[0] != "error"]
    sys.warnoptions.clear()
    os.environ.pop("PYTHONWARNINGS", None)  # processes that this one starts


if sys.argv[:1] == ["-m"]:  # while `python -m pipeline.…` looks for its module
    begin_command()
