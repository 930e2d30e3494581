"""A process that has imported torch, Lightning and MLflow, and forks for each `python -m pipeline.…` of the tests.

Those imports take three to five seconds, often more than all else that a command does. `commands()` starts the process
and returns a folder whose `python` asks it. What a fork runs is a command as any other: a process of its own, with the
caller's arguments, folder, environment, streams and exit code, which imports the project's modules anew. But it is a
child of this process, not of its caller (only `psutil` is told so), and gets none of its caller's signals.

`Project.run` uses it. A test that sends signals, or looks at processes, start-up or imports, starts the real
interpreter; so does `python` for a command in an environment that the imports may depend on (`HARMLESS`).
"""

import json
import os
import signal
import socket
import sys
from functools import cache

MODULES = [
    "captum.attr", "dvc.repo", "hydra", "jinja2", "joblib", "matplotlib.figure", "mlflow.pyfunc", "optuna", "pandas",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.system_metrics.system_metrics_monitor", "psutil", "pyarrow.csv",
    "pyarrow.parquet", "pydantic", "pytorch_lightning", "safetensors.torch", "scipy.stats", "sklearn.linear_model",
    "sklearn.feature_extraction.text", "sklearn.metrics", "torch", "torchtext.vocab",
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
    """Start the process, which ends with this one, and return the folder of the `python` that asks it."""
    import atexit
    import shlex
    import subprocess
    import tempfile
    from pathlib import Path

    folder = tempfile.TemporaryDirectory(prefix="forks-")
    atexit.register(folder.cleanup)
    address, asking = Path(folder.name, "socket"), Path(folder.name, "python")
    environment = Path(folder.name, "environment.json")
    environment.write_text(json.dumps(ENVIRONMENT))
    ask = shlex.join([sys.executable, "-IS", __file__, "ask", str(address), str(environment), sys.executable])
    asking.write_text(f'#!/bin/sh\nexec {ask} "$@"\n')
    asking.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", address],
        env={"PATH": os.environ["PATH"], **ENVIRONMENT},
        stdin=subprocess.PIPE,  # its end is the end of this process
        stdout=subprocess.PIPE,
    )
    assert server.stdout and server.stdout.readline() == b"ready\n"
    atexit.register(server.communicate)
    return folder.name


def ask(address: str, environment: str, python: str, *arguments: str) -> None:
    """Have a command run by the process at this address if it can, else by this interpreter, and end as it does."""
    with open(environment) as file:  # noqa: PTH123 (pathlib takes as long to import as all else here)
        usual = json.load(file)
    one_of_ours = arguments[:1] == ("-m",) and arguments[1].startswith("pipeline.")
    if not one_of_ours or imports_see(dict(os.environ)) != usual:
        os.execv(python, [python, *arguments])
    request = {"arguments": arguments, "folder": os.path.realpath("."), "caller": os.getpid()}
    request["environment"] = dict(os.environ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        code = int(connection.recv(100))
    if code < 0:
        if -code in (signal.SIGINT, signal.SIGPIPE):  # those for which Python has a handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def serve(address: str) -> str:
    """Answer requests until the input ends; return, in each fork, the name of the module to run."""
    import gc
    import selectors
    from contextlib import suppress
    from importlib import import_module
    from pathlib import Path

    sys.path[0] = str(Path(__file__).parents[2])
    import_module("pipeline.tracking")  # sets what mlflow reads when it is imported
    for name in MODULES:
        import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pipeline", "hydra_plugins")]:
        del sys.modules[name]
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(address)
    listening.listen()
    os.write(1, b"ready\n")
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    waiting.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj == 0:
                os._exit(0)
            elif key.fileobj is listening:
                connection, _ = listening.accept()
                message, streams, *_ = socket.recv_fds(connection, 2**20, 3)
                if child := os.fork():
                    for stream in streams:
                        os.close(stream)
                    waiting.register(os.pidfd_open(child), selectors.EVENT_READ, (child, connection))
                else:
                    waiting.close()
                    return become(json.loads(message), streams)
            else:
                child, connection = key.data
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                with connection, suppress(OSError):  # who asked may be gone
                    connection.send(str(code).encode())
                waiting.unregister(key.fd)
                os.close(key.fd)


def become(request, streams: list[int]) -> str:
    """Make this fork a process as `python -m` starts it, and return the name of the module to run."""
    import psutil

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    _, module, *arguments = request["arguments"]
    sys.path[0] = request["folder"]
    sys.argv[:] = ["-m", *arguments]
    sys.orig_argv[:] = [sys.executable, "-m", module, *arguments]
    me, parent = os.getpid(), psutil.Process.ppid
    psutil.Process.ppid = lambda process: request["caller"] if process.pid == me else parent(process)
    return module


def leave() -> None:
    """End a fork, all else done, without freeing its modules one by one: that takes longer than many a command."""
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
        module = serve(sys.argv[2])
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            runpy._run_module_as_main(module)
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
            raise
