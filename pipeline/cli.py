"""What all commands share: `--help`, one clear line for an error, exit codes, log lines on standard error."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from pipeline import end
from pipeline.config import Config, load_params
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError, translate_os_errors

EPILOG = "It takes its configuration from params.yaml, which `dvc repro` composes from conf/."
LONGEST_LINE = 2000
"""Characters of an error's line."""


class Parser(argparse.ArgumentParser):
    """A command's arguments: its description is shown as written, and a wrong argument is one line, exit code 2."""

    def __init__(self, description: str | None, epilog: str | None = None) -> None:
        super().__init__(description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """End the command."""
        self.exit(2, f"error: {message}; --help shows what may be given\n")


def run_command(command: Callable[[Config], None], description: str | None) -> None:
    """Run a command that takes its configuration from `params.yaml` and no arguments. Exits non-zero on error."""
    Parser(description=description, epilog=EPILOG).parse_args()
    with tidy_exit():
        command(load_params())


@contextmanager
def tidy_exit() -> Iterator[None]:
    """Log to standard error; end with one line instead of a traceback for what the user can put right.

    Exit codes: 1 for a `PipelineError` and for a file that the system does not give, 130 for an interrupt, 141 for a
    closed pipe, 143 for a termination.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who called
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # else another's, as a test's
            stream.reconfigure(errors="replace")  # a character the terminal does not know ends no command
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.raiseExceptions = False  # a log file that a full disk refuses: what else it refuses ends the command
    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in place of the one for the time of the imports
    try:
        with translate_os_errors("the output"):
            yield
            sys.stdout.flush()  # here it may still end the command
    except PipelineError as error:
        _fail(str(error))
    except BrokenPipeError:
        _let_go_of_output()
        sys.exit(141)
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        _fail(f"{error.filename}: {error.strerror.lower()}; see to it, then give the same command again")
    except KeyboardInterrupt:
        end(signal.SIGINT)


def _fail(problem: str) -> NoReturn:
    line = masked(" ".join(problem.splitlines()))
    print(f"error: {line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + ' …'}", file=sys.stderr)
    _let_go_of_output()
    sys.exit(1)


def _let_go_of_output() -> None:
    """Drop what cannot be written, for a full disk or a closed pipe: at its end Python would complain once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def log_to(path: Path, then: Callable[[Path], None]) -> Iterator[None]:
    """Also append log lines, with their time, to a file; an error that ends the block is the last of them.

    Args:
        path: of the file.
        then: called with the path when the file is complete; where the block failed, its own failure is only logged.
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
