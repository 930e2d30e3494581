"""A sentiment-training pipeline: DVC stages, Hydra configs, a Lightning SentimentRNN, MLflow tracking and registry.

From Python: `from pipeline import load_model, SentimentModule, …`, as docs/python.md shows. Each of these names is
imported when it is first used, so that `import pipeline`, which every command begins with, loads no library.
"""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import Timer
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pipeline.explain.explainer import Explainer
    from pipeline.inference.model_folder import load_model, save_model
    from pipeline.inference.predictor import Predictor
    from pipeline.networks.sentiment_rnn import SentimentRNN
    from pipeline.predict import load
    from pipeline.runtime.errors import PipelineError
    from pipeline.training.review_loader import review_loader
    from pipeline.training.sentiment_module import SentimentModule

__version__ = "1.0.0"
__all__ = [
    "Explainer",
    "PipelineError",
    "Predictor",
    "SentimentModule",
    "SentimentRNN",
    "__version__",
    "load",
    "load_model",
    "review_loader",
    "save_model",
]
MODULES_OF_NAMES = {
    "Explainer": "pipeline.explain.explainer",
    "PipelineError": "pipeline.runtime.errors",
    "Predictor": "pipeline.inference.predictor",
    "SentimentModule": "pipeline.training.sentiment_module",
    "SentimentRNN": "pipeline.networks.sentiment_rnn",
    "load": "pipeline.predict",
    "load_model": "pipeline.inference.model_folder",
    "review_loader": "pipeline.training.review_loader",
    "save_model": "pipeline.inference.model_folder",
}
"""Module of each name that is imported when it is first used."""

STDERR = 2
RESEND_SECONDS = 0.1
_LINES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_told: set[int] = set()


def __getattr__(name: str) -> Any:
    """Import a name of `MODULES_OF_NAMES` when it is first used (PEP 562)."""
    if name not in MODULES_OF_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(MODULES_OF_NAMES[name]), name)
    return value


def __dir__() -> list[str]:
    """List the names that are not imported yet, too, for completion."""
    return sorted({*globals(), *__all__})


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
    # Threads of torch wait for one another a thousand times in a training step. By default they spin for milliseconds,
    # which, where other programs run, takes the processor from the thread they wait for; not to spin at all halves the
    # speed where none run (measured in docs/performance.md). Read when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    gc.disable()  # what is imported stays, and is walked again and again; `tidy_exit` turns it on
    # Who makes errors of warnings has code of his own in mind: here those of libraries would end each command.
    warnings.filters = [entry for entry in warnings.filters if entry[0] != "error"]
    sys.warnoptions.clear()
    os.environ.pop("PYTHONWARNINGS", None)  # processes that this one starts


if sys.argv[:1] == ["-m"]:  # while `python -m pipeline.…` looks for its module
    begin_command()
