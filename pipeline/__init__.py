"""A sentiment-training pipeline: DVC stages, Hydra configs, a Lightning SentimentRNN, MLflow tracking and registry."""

import os
import signal
import sys
import warnings
from types import FrameType
from typing import NoReturn

STDERR = 2
_LINES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def end(number: int, _frame: FrameType | None = None) -> NoReturn:
    """End the command for a signal: one line, and the exit code that shells give it."""
    # not by print: it refuses where the signal came in the middle of another line, and logging would hide that
    os.write(STDERR, f"{_LINES[signal.Signals(number)]}\n".encode())
    sys.exit(128 + number)


# While `python -m pipeline.…` looks for its module: what that imports takes seconds. Then the command sets its own.
if sys.argv[:1] == ["-m"]:
    for _signal in _LINES:
        if signal.getsignal(_signal) is not signal.SIG_IGN:
            signal.signal(_signal, end)
    # Who makes errors of warnings has code of his own in mind: here those of libraries would end each command.
    warnings.filters = [entry for entry in warnings.filters if entry[0] != "error"]
    sys.warnoptions.clear()
    os.environ.pop("PYTHONWARNINGS", None)  # processes that this one starts
