"""Serve a model over HTTP, on this machine alone, with MLflow's protocol.

The default model is the champion. Only the weights and JSON files of a registered model are read; its code is not run.

  python -m pipeline.serve --port 8001
  python -m pipeline.serve --model artifacts/model --max-texts 500

More: docs/serve.md
"""

import logging
from argparse import ArgumentTypeError

from pipeline.cli import Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.inference.model_folder import read_model_info
from pipeline.registry.model_lookup import describe_model, model_folder
from pipeline.runtime.port import HOST, bind
from pipeline.serve.limits import Limits

SHUTDOWN_SECONDS = 5
"""Seconds that requests may still take after the server is told to shut down."""
BACKLOG = 64
"""Connections that may wait to be accepted. All of them may be accepted between two steps of an answer: with uvicorn's
default of 2048 a flood of connections delays all answers."""


def main(model: str | None, port: int, limits: Limits) -> None:
    """Serve until a signal arrives.

    Args:
        model: as for `model_folder`; None for the champion.
        port: port of the loopback address.
        limits: limits of a request.

    Raises:
        PipelineError: the port is in use, or there is no such model.
    """
    with bind(port) as listener:
        import uvicorn  # takes seconds, with mlflow and torch, so mistakes of the user are reported before

        from pipeline.serve.application import application
        from pipeline.serve.champion_notes import champion_notes, require_champion

        name = model or require_champion(load_params())
        with model_folder(name) as folder:
            served = application(folder, limits)
            info = read_model_info(folder / "config.json")
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        logging.info("model: %s", describe_model(name, info))
        for note in champion_notes(load_params(), info) if model is None else ():
            logging.info("note: %s", note)
        logging.info("it is served at http://%s:%d/invocations; docs/serve.md shows how to query it", HOST, port)
        config = uvicorn.Config(served, log_config=None, timeout_graceful_shutdown=SHUTDOWN_SECONDS, backlog=BACKLOG)
        uvicorn.Server(config).run([listener])


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
    for name, limited in {
        "body": "bytes in the body of a request",
        "texts": "texts in a request",
        "characters": "characters in a text",
        "nesting": "nested brackets in the JSON of a request",
        "digits": "digits of a number in the JSON of a request",
        "seconds": "seconds until the body of a request must be complete",
    }.items():
        help_text = f"most {limited} (default: %(default)s)"
        parser.add_argument(
            f"--max-{name}", type=_positive, default=getattr(Limits, name), metavar="NUMBER", help=help_text
        )
    arguments = vars(parser.parse_args())
    model, port = arguments.pop("model"), arguments.pop("port")
    with tidy_exit():
        main(model, port, Limits(**{key.removeprefix("max_"): value for key, value in arguments.items()}))
