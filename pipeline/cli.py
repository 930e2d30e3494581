"""Run a command: arguments and `--help`, one line for an error, exit codes, log lines on standard error."""

import argparse
import logging
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, TextIO

from tqdm import tqdm

from pipeline import end, handle_signals
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.garbage import collect_from_now_on

EPILOG = "The configuration is read from params.yaml, which `dvc repro` composes from conf/."
MAX_ERROR_LENGTH = 2000
"""Maximum number of characters of an error's line."""


class Parser(argparse.ArgumentParser):
    """Parser that shows the description as written, and reports a wrong argument in one line with exit code 2."""

    def __init__(self, description: str | None, epilog: str | None = None) -> None:
        module = getattr(sys.modules["__main__"], "__spec__", None)  # none of a script
        super().__init__(
            prog=module and f"python -m {module.name.removesuffix('.__main__')}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Exit with the message."""
        self.exit(2, f"error: {message}; --help lists the arguments\n")


class TerminalHandler(logging.StreamHandler[TextIO]):
    """Handler that writes to a terminal above its progress bars, and breaks long lines between words."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record while the bars are cleared."""
        with tqdm.external_write_mode(self.stream):
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, broken if the stream is a terminal."""
        line = super().format(record)
        if not self.stream.isatty() or "\n" in line:
            return line
        width = shutil.get_terminal_size().columns
        return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


@contextmanager
def tidy_exit(failure: int = 1) -> Iterator[None]:
    """Log to standard error, and end with one line instead of a traceback on an error that the user can fix.

    Exit codes: `failure` for a `PipelineError` or a file that the operating system refuses, 130 for an interrupt, 141
    for a closed pipe, 143 for a termination.
    """
    collect_from_now_on()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # it may be another stream, as in a test
            # a character that the terminal does not support must not end the command
            stream.reconfigure(errors="replace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[TerminalHandler(sys.stderr)])
    logging.raiseExceptions = False  # no traceback for a log file on a full disk: other writes will end the command
    handle_signals(interrupt=signal.default_int_handler)  # libraries tidy up after `KeyboardInterrupt`
    try:
        with translate_os_errors("the output"):
            yield
            sys.stdout.flush()  # here an error can still end the command
    except PipelineError as error:
        _fail(str(error), failure)
    except BrokenPipeError:
        _discard_output()
        sys.exit(141)
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        _fail(f"{error.filename}: {error.strerror.lower()}; fix it and run the command again", failure)
    except KeyboardInterrupt:
        end(signal.SIGINT)


def _fail(problem: str, code: int) -> NoReturn:
    line = masked(" ".join(problem.splitlines()))
    print(f"error: {line if len(line) <= MAX_ERROR_LENGTH else line[:MAX_ERROR_LENGTH] + ' …'}", file=sys.stderr)
    _discard_output()
    sys.exit(code)


def _discard_output() -> None:
    """Discard output that a full disk or a closed pipe refuses, so that Python does not report it again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def log_to(path: Path, then: Callable[[Path], None]) -> Iterator[None]:
    """Also append log lines, with their time, to a file; the last is the error that ends the block, if there is one.

    Args:
        path: the file.
        then: called with the path when the file is complete; after a failed block its own error is only logged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    except BaseException as error:
        handler.handle(logging.makeLogRecord({"msg": masked(repr(error)), "levelname": "ERROR", "name": "pipeline"}))
        try:
            _close(handler)
            then(path)
        except Exception as another:
            logging.getLogger(__name__).warning("%s could not be kept: %s", path, another)
        raise
    _close(handler)
    then(path)


def _close(handler: logging.Handler) -> None:
    logging.getLogger().removeHandler(handler)
    handler.close()
