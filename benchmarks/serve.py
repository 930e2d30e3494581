"""Load test of both servers and of the bare call: throughput, latency, CPU time and memory, for docs/serve.md."""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import requests

from benchmarks.corpus import require_prepared
from benchmarks.machine import describe
from benchmarks.measuring import Figure, alternate
from pipeline.cli import tidy_exit
from pipeline.config.params import load_params
from pipeline.inference.predictor import Predictor
from pipeline.registry.model_lookup import fetch_model
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.paths import DATASET, WORKSPACE
from pipeline.text.rows import read_texts
from pipeline.tracking.store import connect
from pipeline.tracking.uri import tracking_uri

CHAMPION = "models:/sentiment@champion"
PAGE = WORKSPACE / "docs" / "serve.md"
COMMAND = "python -m benchmarks.serve"
CLIENTS = (1, 4, 16)
SERVERS: Mapping[str, tuple[str, ...]] = {"mlflow": (), "fast": ("--fast",)}
"""Options of each server."""
NAMES = {"mlflow": "`make serve`", "fast": "`--fast`"}
"""Name of each server in the table."""
SECONDS = 10.0
"""Duration of the load test for each number of clients."""
START_SECONDS = 120.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Load:
    """Throughput and latency of a number of clients, each of which requests one review at a time."""

    name: str
    per_second: float
    p50: float
    """Median latency of a request in seconds."""
    p99: float
    """99th percentile of the latency in seconds."""
    cpu: float
    """CPU time in seconds that the process which computes takes for a request. It hardly depends on how busy the
    machine is, as the other figures do."""
    memory: int
    """Resident memory in bytes of that process at the end."""


@dataclass(frozen=True)
class RunningServer:
    """A server that answers."""

    address: str
    """To post requests to."""
    process: psutil.Process


@contextmanager
def served(
    model: str, log: Path, environment: Mapping[str, str] = os.environ, options: Sequence[str] = ()
) -> Iterator[RunningServer]:
    """Serve a model as `make serve` does, on a free port, until the end of the block.

    Args:
        model: as for `--model`.
        log: file of what the server says.
        environment: of the server.
        options: further options of the server.

    Raises:
        PipelineError: the server ended, or did not answer in time; the message names its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipeline.serve", "--model", model, "--port", str(port), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise PipelineError(f"the server of {model} does not answer; see {log}")
            time.sleep(0.2)
        yield RunningServer(f"{address}/invocations", psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def trial(
    name: str,
    connect: Callable[[], Callable[[str], object]],
    process: psutil.Process,
    texts: Sequence[str],
    clients: int,
    seconds: float,
) -> Load:
    """Let a number of clients request one text after the other for a while.

    Args:
        name: name of the row.
        connect: makes the function that a client calls with each text.
        process: the process that computes.
        texts: requested in turn; each client starts at another text.
        clients: number of clients, each in a thread.
        seconds: duration; requests that began within it are counted.
    """

    def client(number: int) -> list[float]:
        call, latencies = connect(), []
        call(texts[0])
        end = time.perf_counter() + seconds
        for text in islice(cycle(texts), number * len(texts) // clients, None):
            began = time.perf_counter()
            if began > end:
                break
            call(text)
            latencies.append(time.perf_counter() - began)
        return latencies

    before = process.cpu_times()
    with ThreadPoolExecutor(clients) as pool:
        latencies = [latency for one in pool.map(client, range(clients)) for latency in one]
    after = process.cpu_times()
    percentiles = statistics.quantiles(latencies, n=100, method="inclusive")
    return Load(
        name,
        per_second=len(latencies) / seconds,
        p50=percentiles[49],
        p99=percentiles[98],
        cpu=(after.user + after.system - before.user - before.system) / (len(latencies) + clients),
        memory=process.memory_info().rss,
    )


def render(loads: Sequence[Load], machine: Mapping[str, Any]) -> str:
    """Return the table in Markdown."""
    bare = loads[0].per_second
    return "\n".join(
        [
            f"{machine['processor']}, {machine['cores']} cores; load before the run {machine['load_before']}.",
            "",
            "| | reviews per second | of the bare call | p50, ms | p99, ms | CPU, ms | memory, MB |",
            "|---|---|---|---|---|---|---|",
            *(
                f"| {load.name} | {load.per_second:.0f} | {load.per_second / bare:.2f} | {1000 * load.p50:.1f} | "
                f"{1000 * load.p99:.1f} | {1000 * load.cpu:.1f} | {load.memory / 1e6:.0f} |"
                for load in loads
            ),
        ]
    )


def measure(
    model: str, folder: Path, texts: Sequence[str], environment: Mapping[str, str], seconds: float
) -> list[Load]:
    """Measure the bare call, then each server with each number of clients.

    Args:
        model: as for `--model` of the servers.
        folder: of the same model.
        texts: to request.
        environment: of the servers.
        seconds: duration of each trial.
    """
    bare = Predictor.load(folder)
    here = psutil.Process()
    loads = [trial("the bare call, one after the other", lambda: lambda text: bare([text]), here, texts, 1, seconds)]
    with tempfile.TemporaryDirectory() as logs:
        for kind, options in SERVERS.items():
            with served(model, Path(logs) / "server.log", environment, options) as server:
                for clients in CLIENTS:
                    name = f"{NAMES[kind]}, {clients} client{'s' * (clients > 1)}"
                    loads.append(trial(name, lambda: _poster(server.address), server.process, texts, clients, seconds))
    return loads


def compare(folder: Path, texts: Sequence[str], *, rounds: int = 3, seconds: float = 5.0) -> list[Figure]:
    """Compare the CPU time that a request takes each server while `CLIENTS[-1]` clients send one after the other.

    Args:
        folder: a model folder.
        texts: to request.
        rounds: trials of each server.
        seconds: duration of a trial.
    """
    clients = CLIENTS[-1]
    with ExitStack() as running:
        logs = Path(running.enter_context(tempfile.TemporaryDirectory()))
        servers = {
            kind: running.enter_context(served(str(folder), logs / f"{kind}.log", options=options))
            for kind, options in SERVERS.items()
        }

        def cpu_seconds(kind: str) -> float:
            server = servers[kind]
            return trial(kind, lambda: _poster(server.address), server.process, texts, clients, seconds).cpu

        medians = alternate("serving", {kind: partial(cpu_seconds, kind) for kind in servers}, rounds)
    value = medians["mlflow"] / medians["fast"]
    details = {f"{kind}_cpu_seconds": median for kind, median in medians.items()}
    name = f"CPU time of a request at {clients} clients, MLflow's server"
    return [Figure(name, value, "at least", 2.0, "times the fast server's", details)]


def main(model: str, seconds: float) -> None:
    """Measure a model and print the table; of the champion, rewrite the table on the page, too.

    Args:
        model: a model folder, or the champion.
        seconds: duration of each trial.
    """
    require_prepared(DATASET)
    machine, (texts, _), config = describe(), read_texts(DATASET, "test"), load_params().tracking
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri(config)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = fetch_model(connect(config), model, Path(temporary)) if model == CHAMPION else Path(model)
        table = render(measure(model, folder, texts, environment, seconds), machine)
    if model == CHAMPION:
        replace_generated(PAGE, COMMAND, table)
    print(table)


def _poster(address: str) -> Callable[[str], object]:
    url = urlsplit(address)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=START_SECONDS)

    def post(text: str) -> object:
        body = json.dumps({"inputs": [text]}).encode()
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise PipelineError(f"{address} answered with the status {answer.status}: {content[:200]!r}")
        return json.loads(content)

    return post


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/ping", timeout=1).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=CHAMPION, help="a model folder (default: the champion)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each trial (default: %(default)s)")
    arguments = parser.parse_args()
    with tidy_exit():
        main(arguments.model, arguments.seconds)
