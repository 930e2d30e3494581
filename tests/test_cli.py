"""Commands end in one line for an error, and with the exit code of their signal."""

import fcntl
import gc
import io
import logging
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from tqdm import tqdm

from pipeline.cli import TerminalHandler, log_to, tidy_exit
from pipeline.runtime.errors import FULL, PipelineError
from pipeline.runtime.garbage import importing
from pipeline.runtime.paths import WORKSPACE

WAIT = "import time\nfrom pipeline.cli import tidy_exit\nwith tidy_exit():\n    print('ready', flush=True)\n    "


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run a block as a command in this process; return its exit code and its error output."""
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(block: Callable[[], object]) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught, tidy_exit():
            block()
        return caught.value.code, capsys.readouterr().err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def fail(error):
    raise error


def test_a_pipeline_error_is_one_line_and_exit_code_1(ended):
    assert ended(lambda: fail(PipelineError("x: wrong; fix it"))) == (1, "error: x: wrong; fix it\n")


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (WORKSPACE.read_text, f"error: {WORKSPACE}: is a directory; fix it and run the command again"),
        (
            lambda: fail(FileNotFoundError(2, "No such file", "x")),
            "error: x: no such file; fix it and run the command again",
        ),
        (lambda: fail(PipelineError("x" * 9999)), f"error: {'x' * 2000} …"),
    ],
    ids=["a folder", "no file", "a long line"],
)
def test_an_error_of_the_operating_system_is_one_line_of_limited_length(ended, block, line):
    code, errors = ended(block)
    assert code == 1
    assert errors.startswith(line)
    assert len(errors.splitlines()) == 1


def run_code(code, send=None):
    """Run Python code in a process, and send a signal once it is ready; return its exit code and error output."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=WORKSPACE
    )
    if send is not None:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(send)
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


@pytest.mark.parametrize(("send", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_tidily(send, code):
    # a shell makes its background processes, perhaps these tests, ignore interrupts
    heed = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    # short sleeps: a signal that arrives just before the system call is handled only when the call returns
    returned, errors = run_code(heed + WAIT + "while True: time.sleep(0.1)", send)
    assert returned == code
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(("number", "expected"), [(2, (130, "interrupted\n")), (15, (143, "terminated\n"))])
@pytest.mark.parametrize(
    "start", ["import sys\nsys.argv[0] = '-m'\nimport pipeline\nif True:\n    ", WAIT], ids=["import", "run"]
)
@pytest.mark.parametrize("callback", ["class A: __del__ = send", "class A: pass\n    held = weakref.ref(A(), send)"])
def test_a_signal_in_a_callback_whose_exceptions_python_drops_is_heeded(number, expected, start, callback):
    code = f"""import signal, time, weakref
signal.signal({number}, signal.default_int_handler)
def send(_): signal.raise_signal({number})
{start}{callback}
    A()
    time.sleep(30)"""
    assert run_code(code) == expected


def test_a_signal_after_the_work_is_one_line_and_no_failure():
    code = "import atexit, signal\n" + WAIT + "atexit.register(lambda: [signal.raise_signal(15), time.sleep(0.1)])"
    assert run_code(code) == (0, "terminated\n")


def unread_bytes(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_signal_during_the_write_of_a_log_line_is_heeded():
    code = WAIT + "import logging\n    for _ in range(10_000): logging.info('x' * 100)"
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=buffered,
        cwd=WORKSPACE,
    )
    assert process.stdout.readline() == "ready\n"
    while unread_bytes(process.stderr) < 60_000:  # a pipe holds little more, and then blocks the writer
        assert process.poll() is None
    process.terminate()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 143
    assert "terminated" in errors


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_line_stands_above_the_progress_bar_and_breaks_between_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    with tqdm(total=2, file=terminal, ncols=30, bar_format="{n}/{total}", mininterval=0) as bar:
        bar.update()
        record = logging.makeLogRecord({"msg": "calibrated on validation: temperature 1.00, bias 0.30"})
        TerminalHandler(terminal).emit(record)
        lines = "calibrated on validation: temperature\n  1.00, bias 0.30\n"
        assert re.search(rf"1/2\r +\r{lines}\r1/2", terminal.getvalue())


def test_a_log_file_ends_with_the_error(tmp_path):
    logs = []
    with pytest.raises(PipelineError), log_to(tmp_path / "logs" / "a.log", logs.append):
        raise PipelineError("broken")
    assert "PipelineError('broken')" in logs[0].read_text().splitlines()[-1]


def test_a_log_file_that_cannot_be_kept_hides_no_error(tmp_path):
    with pytest.raises(PipelineError, match="broken"), log_to(tmp_path / "a.log", lambda path: path / 0):
        raise PipelineError("broken")


def test_output_into_a_closed_pipe_is_not_an_error():
    code = WAIT + "import sys\n    for _ in range(100_000): print('a line')"
    result = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -c "$1" | head -1', sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
        cwd=WORKSPACE,
    )
    assert (result.returncode, result.stderr) == (141, "")


def test_output_that_cannot_be_written_at_the_end_is_one_line():
    with Path("/dev/full").open("w") as full:
        code = WAIT.replace(", flush=True", "") + "pass"
        buffered = os.environ | {"PYTHONUNBUFFERED": ""}
        command = [sys.executable, "-c", code]
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered, cwd=WORKSPACE, check=False
        )
    assert result.returncode == 1
    assert result.stderr == f"error: the output: {'; '.join(FULL)}\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_stops_no_command(closed, tmp_path):
    code = f"{WAIT}import sys; sys.stdin.read(); open({str(tmp_path / 'end')!r}, 'w'); print('.', file=sys.stderr)"
    subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], check=True, cwd=WORKSPACE)
    assert (tmp_path / "end").exists()


def test_a_warning_that_the_user_makes_an_error_stops_no_command():
    command = [sys.executable, "-m", "pipeline.register", "--help"]
    strict = {**os.environ, "PYTHONWARNINGS": "error"}
    result = subprocess.run(command, cwd=WORKSPACE, env=strict, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_garbage_is_collected_once_a_command_has_imported_what_it_needs(ended):
    collecting = []

    def command() -> None:
        collecting.append(gc.isenabled())
        with importing():
            collecting.append(gc.isenabled())
        collecting.append(gc.isenabled())
        raise PipelineError("done")

    begun = "import gc, pipeline; pipeline.begin_command(); print(gc.isenabled())"
    assert subprocess.check_output([sys.executable, "-c", begun], cwd=WORKSPACE) == b"False\n"
    gc.disable()
    try:
        ended(command)
    finally:
        gc.enable()
    assert collecting == [True, False, True]


@pytest.mark.parametrize(
    ("given", "kept"),
    [({}, b"2000\n"), ({"GOMP_SPINCOUNT": "9"}, b"9\n"), ({"OMP_WAIT_POLICY": "active"}, b"None\n")],
)
def test_threads_spin_for_a_short_time_unless_the_user_wants_another(given, kept):
    begun = "import os, pipeline; pipeline.begin_command(); print(os.environ.get('GOMP_SPINCOUNT'))"
    waiting = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {key: value for key, value in os.environ.items() if key not in waiting} | given
    assert subprocess.check_output([sys.executable, "-c", begun], cwd=WORKSPACE, env=environment) == kept


@pytest.mark.parametrize("target", ["ui", "serve"])
def test_a_port_in_use_is_one_line(target):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        make = ["make", "--old-file", "setup", target, f"PORT={port}"]
        alone = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # not part of `make test`
        result = subprocess.run(
            make, cwd=WORKSPACE, env=alone, capture_output=True, text=True, check=False, timeout=300
        )
    error, line_of_make = result.stderr.splitlines()
    assert error.startswith(f"error: port {port} ")
    assert "in use; choose another with --port (make: PORT=" in error
    assert line_of_make.startswith("make: ***")
    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.parametrize(("port", "problem"), [("99999", "does not exist"), ("many", "invalid int value: 'many'")])
def test_a_port_that_cannot_exist_is_one_line(port, problem, monkeypatch, ended):
    monkeypatch.setattr(sys, "argv", ["ui", "--port", port])
    code, errors = ended(lambda: runpy.run_module("pipeline.ui", run_name="__main__"))
    assert code != 0
    (line,) = errors.splitlines()
    assert problem in line
