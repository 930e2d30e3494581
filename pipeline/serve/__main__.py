"""Serve a model over HTTP, on this machine alone, with MLflow's protocol.

The default model is the champion. Only the weights and JSON files of a registered model are read; its code is not run.
With --fast another server gives the same predictions for the same requests: it computes requests that wait at the same
time as one batch, switches to a new champion without a pause, and has metrics and a page about its API (/docs).

  python -m pipeline.serve --port 8001
  python -m pipeline.serve --fast
  python -m pipeline.serve --model artifacts/model --max-texts 500

More: docs/serve.md
"""

import logging
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from pipeline.cli import Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.runtime.port import HOST, bind
from pipeline.serve.limits import Limits

if TYPE_CHECKING:
    from pipeline.inference.model_info import ModelInfo
    from pipeline.serve.application import AsgiApp

SHUTDOWN_SECONDS = 5
"""Seconds that requests may still take after the server is told to shut down."""
BACKLOG = 64
"""Connections that may wait to be accepted. All of them may be accepted between two steps of an answer: with uvicorn's
default of 2048 a flood of connections delays all answers."""
FAST_LIMITS = ("queue", "wait")
"""Limits that only the fast server has."""


def main(model: str | None, port: int, limits: Limits, fast: bool = False) -> None:
    """Serve until a signal arrives.

    Args:
        model: as for `model_folder`; None for the champion.
        port: port of the loopback address.
        limits: limits of a request.
        fast: serve with micro-batches instead of MLflow's application.

    Raises:
        PipelineError: the port is in use, or there is no such model.
    """
    with bind(port) as listener:
        import uvicorn  # takes seconds, with mlflow and torch, so mistakes of the user are reported before

        from pipeline.serve.champion_notes import champion_notes, require_champion

        set_up_allocator()
        name = model or require_champion(load_params())
        served, title, info = (_fast if fast else _scoring)(name, limits)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        logging.info("model: %s", title)
        for note in champion_notes(load_params(), info) if model is None else ():
            logging.info("note: %s", note)
        page = f", described at http://{HOST}:{port}/docs" if fast else ""
        logging.info(
            "it is served at http://%s:%d/invocations%s; docs/serve.md shows how to query it", HOST, port, page
        )
        config = uvicorn.Config(
            served,
            log_config=None,
            access_log=not fast,  # its metrics count the requests
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            backlog=BACKLOG,
        )
        uvicorn.Server(config).run([listener])


def _scoring(name: str, limits: Limits) -> "tuple[AsgiApp, str, ModelInfo]":
    """Return MLflow's application for a model, the line about the model, and its `config.json`."""
    from pipeline.inference.model_folder import read_model_info
    from pipeline.registry.model_lookup import describe_model, model_folder, resolve_alias
    from pipeline.serve.application import application

    model = resolve_alias(name)
    with model_folder(model) as folder:
        served = application(folder, limits)
        info = read_model_info(folder / "config.json")
    return served, describe_model(model, info), info


def _fast(name: str, limits: Limits) -> "tuple[AsgiApp, str, ModelInfo]":
    """Return what `_scoring` returns, of the fast server."""
    from pipeline.serve.fast_application import fast_application
    from pipeline.serve.live_model import LiveModel
    from pipeline.serve.metrics import Metrics

    metrics = Metrics()
    live = LiveModel(name, metrics)
    return fast_application(live, limits, metrics), live.current.title, live.current.info


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--model", help="a folder, an MLflow URI such as models:/NAME/VERSION, a run id (default: the champion)"
    )
    parser.add_argument("--port", type=int, default=5001, help="port of 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--fast", action="store_true", help="serve with micro-batches instead of MLflow's server")
    for name, meaning in {
        "body": "maximum size of a request's body in bytes",
        "texts": "maximum number of texts in a request",
        "characters": "maximum number of characters in a text",
        "nesting": "maximum depth of nested brackets in the JSON of a request",
        "digits": "maximum number of digits of a number in the JSON of a request",
        "seconds": "maximum time in seconds until the body of a request is complete",
        "queue": "maximum number of waiting texts, of all requests together; only with --fast",
        "wait": "maximum time in seconds until the predictions are returned; only with --fast",
    }.items():
        help_text = f"{meaning} (default: {getattr(Limits, name)})"
        parser.add_argument(f"--max-{name}", type=_positive, metavar="NUMBER", help=help_text)
    arguments = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    limits = {key.removeprefix("max_"): value for key, value in arguments.items() if key.startswith("max_")}
    with tidy_exit():
        for name in () if arguments["fast"] else FAST_LIMITS:
            if name in limits:
                raise PipelineError(f"--max-{name}: MLflow's server has no such limit; leave it out, or add --fast")
        main(arguments.get("model"), arguments["port"], Limits(**limits), arguments["fast"])
