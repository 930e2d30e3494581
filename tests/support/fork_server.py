"""A process that has imported torch, Lightning, MLflow and DVC, and forks for each `python -m pipeline.…` and `dvc` of
the tests.

Those imports take one to five seconds, often more than all else that a command does. `commands()` starts the process,
one for all processes of a test run, and returns a folder whose `python` and `dvc` ask it. What a fork runs is a command
as any other: a process of its own, with the caller's arguments, folder, environment, streams and exit code, which
imports the project's modules anew. It is a child of this process, not of its caller (only `psutil` is told so), but
gets the signals SIGINT and SIGTERM that its caller gets, and is killed when its caller is.

`Project.run` uses it. A test that looks at processes or start-up starts the real interpreter; so does `python` for a
command in an environment that the imports may depend on (`HARMLESS`).
"""

import json
import os
import signal
import socket
import sys
from functools import cache

MODULES = [
    "captum.attr", "dvc.cli.parser", "dvc.repo", "hydra", "jinja2", "joblib", "matplotlib.figure", "mlflow.pyfunc",
    "optuna", "pandas", "mlflow.store.tracking.sqlalchemy_store", "mlflow.system_metrics.system_metrics_monitor",
    "psutil", "pyarrow.csv", "pyarrow.parquet", "pydantic", "pytorch_lightning", "safetensors.torch", "scipy.stats",
    "sklearn.linear_model", "sklearn.feature_extraction.text", "sklearn.metrics", "torch", "torchtext.vocab",
]  # fmt: skip
HARMLESS = (
    *("DVC_", "MLFLOW_", "OLDPWD", "PATH", "PWD", "PYTEST_", "SHLVL", "TMPDIR", "_"),
    *("KMP_", "LRU_CACHE_", "ONEDNN_", "PL_", "PYTORCH_NVML_", "TORCHINDUCTOR_"),  # set by what the caller has imported
)
"""Beginnings of the names of variables that the imports do not look at, or not in these tests."""


def imports_see(environment: dict[str, str]) -> dict[str, str]:
    """Return the part of an environment that imports may depend on."""
    return {name: value for name, value in environment.items() if not name.startswith(HARMLESS)}


ENVIRONMENT = imports_see(dict(os.environ))


@cache
def commands() -> str:
    """Start the process, or find that of this test run, and return the folder of the `python` and `dvc` that ask it.

    It ends when the last process that has called this ends.
    """
    import atexit
    import shlex
    import subprocess
    import tempfile
    from pathlib import Path

    from filelock import FileLock

    if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        folder = Path(tempfile.gettempdir(), f"forks-{run}")
        folder.mkdir(mode=0o700, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix="forks-"))
    address, environment = folder / "socket", folder / "environment.json"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # open as long as this process
    with FileLock(folder / "lock"):
        try:
            connection.connect(str(address))
        except OSError:
            address.unlink(missing_ok=True)
            environment.write_text(json.dumps(ENVIRONMENT))
            ask = [sys.executable, "-IS", __file__, "ask", str(address), str(environment), sys.executable]
            for name, command in (("python", []), ("dvc", [str(Path(sys.executable).with_name("dvc"))])):
                (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join([*ask, *command])} "$@"\n')
                (folder / name).chmod(0o755)
            server = subprocess.Popen(
                [sys.executable, __file__, "serve", address],
                env={"PATH": os.environ["PATH"], **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            assert server.stdout and server.stdout.readline() == b"ready\n"
            connection.connect(str(address))
        connection.send(HOLD)
    atexit.register(connection.close)
    return str(folder)


HOLD = b"hold"
"""Message of a process that will ask; its connection stays open."""


def ask(address: str, environment: str, python: str, *arguments: str) -> None:
    """Have a command run by the process at this address if it can, else by this interpreter, and end as it does."""
    with open(environment) as file:  # noqa: PTH123 (pathlib takes as long to import as all else here)
        usual = json.load(file)
    ours = arguments[0].endswith("/dvc") or (arguments[0] == "-m" and arguments[1].startswith("pipeline."))
    if not ours or imports_see(dict(os.environ)) != usual:
        os.execv(python, [python, *arguments])
    request = {"arguments": arguments, "folder": os.path.realpath("."), "caller": os.getpid()}
    request["environment"] = dict(os.environ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        fork = int(connection.recv(100))
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: os.kill(fork, number))
        code = int(connection.recv(100))
    if code < 0:
        if -code in (signal.SIGINT, signal.SIGPIPE):  # those for which Python has a handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


class Server:
    """The process that forks."""

    def __init__(self, address: str) -> None:
        import selectors

        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(address)
        self.listening.listen()
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(self.listening, selectors.EVENT_READ, self.accept)
        self.holding = 0
        self.request: tuple[bytes, list[int]] | None = None
        """In a fork: message and streams of its caller."""

    def serve(self) -> list[str]:
        """Answer until no process is left that may ask; return, in each fork, the arguments of its command."""
        while self.request is None:
            for key, _ in self.waiting.select():
                key.data()
                if self.request:
                    break
        self.waiting.close()
        return become(*self.request)

    def accept(self) -> None:
        connection, _ = self.listening.accept()
        message, streams, *_ = socket.recv_fds(connection, 2**20, 3)
        if not message:  # who asked is gone
            connection.close()
        elif message == HOLD:
            self.holding += 1
            self.when_ready(connection, lambda: self.release(connection))
        elif child := os.fork():
            for stream in streams:
                os.close(stream)
            # what a caller sends is its end
            self.when_ready(connection, lambda: (self.waiting.unregister(connection), os.kill(child, signal.SIGKILL)))
            ending = os.pidfd_open(child)
            self.when_ready(ending, lambda: self.answer(connection, child, ending))
            self.send(connection, child)
        else:
            self.request = (message, streams)

    def when_ready(self, file, then) -> None:
        import selectors

        self.waiting.register(file, selectors.EVENT_READ, then)

    def release(self, connection: socket.socket) -> None:
        """Forget a process that will ask no more; end after the last."""
        import shutil

        self.waiting.unregister(connection)
        connection.close()
        self.holding -= 1
        if not self.holding:
            shutil.rmtree(os.path.dirname(self.listening.getsockname()))  # noqa: PTH120
            os._exit(0)

    def answer(self, connection: socket.socket, child: int, ending: int) -> None:
        """Tell a caller the exit code of its command."""
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.waiting.unregister(ending)
        os.close(ending)
        if connection in self.waiting.get_map():
            self.waiting.unregister(connection)
        self.send(connection, code)
        connection.close()

    def send(self, connection: socket.socket, number: int) -> None:
        from contextlib import suppress

        with suppress(OSError):  # the caller may be gone
            connection.send(str(number).encode())


def preload() -> None:
    """Import what the commands import, and forget the project's modules."""
    import gc
    from importlib import import_module
    from pathlib import Path

    sys.path[0] = str(Path(__file__).parents[2])
    import_module("pipeline.tracking")  # sets what mlflow reads when it is imported
    for name in MODULES:
        import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pipeline", "hydra_plugins")]:
        del sys.modules[name]
    gc.freeze()


FORKS = "PYTEST_FORKS"
"""Environment variable of a fork: itself and the forks among its ancestors, each with its caller and its command."""
RECORD_IMPORTS = "PYTEST_RECORD_IMPORTS"
"""Environment variable: folder for a file of each fork that DVC runs as a stage, with the project's modules it used."""


def become(message: bytes, streams: list[int]) -> list[str]:
    """Make this fork a process as the interpreter starts it, and return its arguments."""
    import psutil

    request = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    arguments = request["arguments"]
    if arguments[0] == "-m":
        sys.path[0], sys.argv[:] = request["folder"], ["-m", *arguments[2:]]
    else:
        sys.path[0], sys.argv[:] = os.path.dirname(arguments[0]), arguments  # noqa: PTH120
    sys.orig_argv[:] = [sys.executable, *arguments]
    forks = json.loads(os.environ.get(FORKS, "{}")) | {str(os.getpid()): [request["caller"], sys.orig_argv]}
    os.environ[FORKS] = json.dumps(forks)
    parent, command = psutil.Process.ppid, psutil.Process.cmdline
    psutil.Process.ppid = lambda process: forks.get(str(process.pid), [None])[0] or parent(process)
    psutil.Process.cmdline = lambda process: forks.get(str(process.pid), [None, None])[1] or command(process)
    return arguments


def record_imports() -> None:
    """Write which of the project's modules this fork has imported, if it is a stage of a run that asks for it."""
    folder, stage = os.environ.get(RECORD_IMPORTS), os.environ.get("DVC_STAGE")
    if folder and stage:
        names = [name for name in sys.modules if name.partition(".")[0] in ("pipeline", "hydra_plugins")]
        names.append(sys.modules["__main__"].__spec__.name)
        with open(os.path.join(folder, f"{stage}-{os.getpid()}.json"), "w") as file:  # noqa: PTH118, PTH123
            json.dump(names, file)


def leave() -> None:
    """End a fork, all else done, without freeing its modules one by one: that takes longer than many a command."""
    record_imports()
    if isinstance(code, int):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(*sys.argv[2:])
    else:
        import atexit
        import runpy
        import types

        code = None
        atexit.register(leave)  # before the imports register theirs, so as the last
        preload()
        server = Server(sys.argv[2])
        os.write(1, b"ready\n")
        first, *others = server.serve()
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            if first == "-m":
                runpy._run_module_as_main(others[0])
            else:
                runpy.run_path(first, run_name="__main__")
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
            raise
