"""What all commands share."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pipeline.cli import log_to
from pipeline.runtime.atomic import follow_link, replace, write_text
from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import write_json

WAIT = "import time\nfrom pipeline.cli import tidy_exit\nwith tidy_exit():\n    print('ready', flush=True)\n    "


def run(code, send=None):
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=WORKSPACE
    )
    if send is not None:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(send)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_an_error_of_the_users_is_one_line_and_exit_code_1():
    code = WAIT + "from pipeline.runtime.errors import PipelineError\n    raise PipelineError('x: wrong; mend it')"
    assert run(code) == (1, "error: x: wrong; mend it\n")


@pytest.mark.parametrize(("send", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_tidily(send, code):
    # a shell makes what it starts in the background deaf to interrupts, these tests perhaps
    hear = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    # many short sleeps: Python has no answer for a signal between its last look and the system call, until that returns
    returned, errors = run(hear + WAIT + "while True: time.sleep(0.1)", send)
    assert returned == code
    assert len(errors.splitlines()) == 1


def waiting_in(pipe):
    """Bytes that nobody has read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_signal_in_the_middle_of_a_log_line_is_heard():
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
    while waiting_in(process.stderr) < 60_000:  # a pipe holds little more: then the write of a line has no end
        assert process.poll() is None
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "terminated" in errors


def test_a_log_file_ends_with_the_error(tmp_path):
    kept = []
    with pytest.raises(PipelineError), log_to(tmp_path / "logs" / "a.log", kept.append):
        raise PipelineError("broken")
    assert "PipelineError('broken')" in kept[0].read_text().splitlines()[-1]


def test_a_log_file_that_cannot_be_kept_hides_no_error(tmp_path):
    with pytest.raises(PipelineError, match="broken"), log_to(tmp_path / "a.log", lambda path: path / 0):
        raise PipelineError("broken")


def test_output_into_a_closed_pipe_is_no_error():
    code = WAIT + "import sys\n    for _ in range(100_000): print('a line')"
    found = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -c "$1" | head -1', sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
        cwd=WORKSPACE,
    )
    assert (found.returncode, found.stderr) == (141, "")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replace(path) as temporary:
        temporary.write_text("half of the ne")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    with pytest.raises(ValueError):
        write_json(path, {"value": float("nan")})
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("one", "two"):
        with replace(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["two"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("target", ["ui", "serve"])
def test_a_port_that_is_taken_is_said_in_one_line(target):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        make = ["make", "--old-file", "setup", target, f"PORT={port}"]
        alone = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # not part of `make test`
        found = subprocess.run(make, cwd=WORKSPACE, env=alone, capture_output=True, text=True, check=False, timeout=60)
    said, makes_own = found.stderr.splitlines()
    assert said.startswith(f"error: port {port} of 127.0.0.1: address already in use; choose another with PORT=")
    assert makes_own.startswith("make: ***")
    assert (found.returncode, found.stdout) == (2, "")


@pytest.mark.parametrize(
    ("port", "said"), [("99999", "port 99999 does not exist"), ("many", "invalid int value: 'many'")]
)
def test_a_port_that_cannot_be_is_said(port, said):
    command = [sys.executable, "-m", "pipeline.ui", "--port", port]
    found = subprocess.run(command, cwd=WORKSPACE, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode != 0
    (line,) = found.stderr.splitlines()
    assert said in line


@pytest.mark.parametrize("at", ["a folder", "a pipe", "a link to a pipe"])
def test_only_files_are_replaced_by_files(tmp_path, at):
    path = tmp_path / "page.html"
    if at == "a folder":
        write_text(path / "kept", "text")
    else:
        os.mkfifo(path if at == "a pipe" else tmp_path / "pipe")
        if at == "a link to a pipe":
            path.symlink_to(tmp_path / "pipe")
    before = path.lstat()
    with pytest.raises(PipelineError, match=rf"^{path} is (a folder; name a file|no regular file; name another)$"):
        write_text(path, "text")
    assert path.lstat() == before
    assert not list(tmp_path.glob(".*"))


def test_what_a_user_names_is_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(follow_link(tmp_path / "link"), "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (f"open({str(WORKSPACE)!r}).read()", f"error: {WORKSPACE}: is a directory; see to it, then"),
        ("raise FileNotFoundError(2, 'No such file', 'x')", "error: x: no such file; see to it, then"),
        (
            "from pipeline.runtime.errors import PipelineError; raise PipelineError('x' * 9999)",
            f"error: {'x' * 2000} …",
        ),
    ],
)
def test_what_the_system_does_not_give_is_one_line_of_some_length(does, said):
    returned, errors = run(WAIT + does)
    assert returned == 1
    assert errors.startswith(said)
    assert len(errors.splitlines()) == 1


def test_output_that_cannot_be_written_at_the_end_is_one_line():
    with Path("/dev/full").open("w") as full:
        code = WAIT.replace(", flush=True", "") + "pass"
        buffered = os.environ | {"PYTHONUNBUFFERED": ""}
        command = [sys.executable, "-c", code]
        found = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered, cwd=WORKSPACE, check=False
        )
    assert found.returncode == 1
    assert found.stderr == "error: the output: no space left; make room there, then run the command again\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_stops_no_command(closed, tmp_path):
    code = f"{WAIT}import sys; sys.stdin.read(); open({str(tmp_path / 'end')!r}, 'w'); print('.', file=sys.stderr)"
    subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], check=True, cwd=WORKSPACE)
    assert (tmp_path / "end").exists()


@pytest.mark.parametrize("there", ["a link to a folder", "a link to nothing", "a link to itself"])
def test_a_folder_replaces_a_link_and_not_what_it_leads_to(tmp_path, there):
    link, target = tmp_path / "model", tmp_path / "elsewhere"
    link.symlink_to(link if there == "a link to itself" else target)
    if there == "a link to a folder":
        write_text(target / "kept", "text")
    with pytest.raises(ZeroDivisionError), replace(link) as temporary:
        temporary.mkdir()
        raise ZeroDivisionError
    assert link.is_symlink()
    with replace(link) as temporary:
        write_text(temporary / "new", "text")
    assert [file.name for file in link.iterdir()] == ["new"]
    assert not link.is_symlink()
    assert (target / "kept").exists() == (there == "a link to a folder")
    assert not list(tmp_path.glob(".*"))


def test_an_output_that_is_a_link_to_itself_is_named(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    said = "a: the link leads back to itself; choose another path, or remove the link"
    with pytest.raises(PipelineError, match=said), translate_os_errors("the output"):
        follow_link(tmp_path / "a")


def test_errors_of_warnings_end_no_command():
    command = [sys.executable, "-m", "pipeline.register", "--help"]
    strict = {**os.environ, "PYTHONWARNINGS": "error"}
    found = subprocess.run(command, cwd=WORKSPACE, env=strict, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
