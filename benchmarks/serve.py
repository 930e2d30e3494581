"""Load test of the served champion: throughput and latency compared with the bare model call, for docs/serve.md."""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import requests

from benchmarks.corpus import require_prepared
from benchmarks.machine import describe
from pipeline.cli import tidy_exit
from pipeline.config.params import load_params
from pipeline.evaluation.predictions import read_texts
from pipeline.inference.predictor import Predictor
from pipeline.registry.model_lookup import fetch_model
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.paths import DATASET, WORKSPACE
from pipeline.tracking.uri import tracking_uri

CHAMPION = "models:/sentiment@champion"
PAGE = WORKSPACE / "docs" / "serve.md"
COMMAND = "python -m benchmarks.serve"
CLIENTS = (1, 4, 16)
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


@contextmanager
def served(model: str, log: Path, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Serve a model as `make serve` does, on a free port; yield the address to post to.

    Raises:
        PipelineError: the server ended, or did not answer in time; the message names its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipeline.serve", "--model", model, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise PipelineError(f"the server of {model} does not answer; see {log}")
            time.sleep(0.2)
        yield f"{address}/invocations"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def trial(
    name: str, connect: Callable[[], Callable[[str], object]], texts: Sequence[str], clients: int, seconds: float
) -> Load:
    """Let a number of clients request one text after the other for a while.

    Args:
        name: name of the row.
        connect: makes the function that a client calls with each text.
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

    with ThreadPoolExecutor(clients) as pool:
        latencies = [latency for one in pool.map(client, range(clients)) for latency in one]
    percentiles = statistics.quantiles(latencies, n=100, method="inclusive")
    return Load(name, len(latencies) / seconds, percentiles[49], percentiles[98])


def render(loads: Sequence[Load], machine: Mapping[str, Any]) -> str:
    """Return the table in Markdown."""
    bare = loads[0].per_second
    return "\n".join(
        [
            f"{machine['processor']}, {machine['cores']} cores; load before the run {machine['load_before']}.",
            "",
            "| | reviews per second | of the bare call | p50, ms | p99, ms |",
            "|---|---|---|---|---|",
            *(
                f"| {load.name} | {load.per_second:.0f} | {load.per_second / bare:.2f} | "
                f"{1000 * load.p50:.1f} | {1000 * load.p99:.1f} |"
                for load in loads
            ),
        ]
    )


def main() -> None:
    """Measure the champion; rewrite the table on the page, and print it."""
    require_prepared(DATASET)
    machine, (texts, _), config = describe(), read_texts(DATASET, "test"), load_params().tracking
    with tempfile.TemporaryDirectory() as folder:
        model = Predictor.load(fetch_model(config, CHAMPION, Path(folder)))
        environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri(config)}
        with served(CHAMPION, Path(folder) / "server.log", environment) as address:
            loads = [trial("the bare call, one after the other", lambda: lambda text: model([text]), texts, 1, SECONDS)]
            for clients in CLIENTS:
                name = f"served, {clients} client{'s' * (clients > 1)}"
                loads.append(trial(name, lambda: _poster(address), texts, clients, SECONDS))
    table = render(loads, machine)
    replace_generated(PAGE, COMMAND, table)
    print(table)


def _poster(address: str) -> Callable[[str], object]:
    session = requests.Session()

    def post(text: str) -> object:
        answer = session.post(address, json={"inputs": [text]}, timeout=START_SECONDS)
        answer.raise_for_status()
        return answer.json()

    return post


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/ping", timeout=1).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tidy_exit():
        main()
