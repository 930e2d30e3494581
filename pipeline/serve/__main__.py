"""Serve a model over HTTP, on this machine alone, with MLflow's protocol.

The model is by default the champion. Of a registered model only weights and JSON are read; none of its code is run.

  python -m pipeline.serve --port 8001
  python -m pipeline.serve --model artifacts/model --max-texts 500

More: docs/serve.md
"""

import logging
from argparse import ArgumentTypeError

from pipeline.cli import Parser, tidy_exit
from pipeline.config import load_params
from pipeline.registry.model_lookup import model_folder
from pipeline.runtime.port import HOST, bind
from pipeline.serve.limits import Limits

PATIENCE = 5
"""Seconds that requests may still take when the server is told to end."""
WAITING = 64
"""Connections that may wait to be taken. So many are taken at a time, between two steps of an answer: with uvicorn's
2048, a flood of connections holds all answers up."""


def main(model: str | None, port: int, limits: Limits) -> None:
    """Serve until a signal comes.

    Args:
        model: as for `model_folder`; None for the champion.
        port: of the loopback address.
        limits: of a request.

    Raises:
        PipelineError: the port is in use, or there is no such model.
    """
    with bind(port) as listener:
        import uvicorn  # which takes seconds, with mlflow and torch: what a user may have got wrong is said before

        from pipeline.serve.application import application

        name = model or f"models:/{load_params().registry.model_name}@champion"
        with model_folder(name) as folder:
            served = application(folder, limits)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        logging.info("%s answers at http://%s:%d/invocations; docs/serve.md shows how to ask", name, HOST, port)
        config = uvicorn.Config(served, log_config=None, timeout_graceful_shutdown=PATIENCE, backlog=WAITING)
        uvicorn.Server(config).run([listener])


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--model", help="a folder, an MLflow URI such as models:/NAME/VERSION, a run id (default: the champion)"
    )
    parser.add_argument("--port", type=int, default=5001, help="of 127.0.0.1 (default: %(default)s)")
    for name, of in {
        "body": "bytes of a request's body",
        "texts": "texts of a request",
        "characters": "characters of a text",
        "nesting": "brackets within brackets of a request's JSON",
        "digits": "digits of a number in it",
        "seconds": "seconds in which a body must have been sent",
    }.items():
        help_text = f"{of}, at most (default: %(default)s)"
        parser.add_argument(
            f"--max-{name}", type=_positive, default=getattr(Limits, name), metavar="NUMBER", help=help_text
        )
    arguments = vars(parser.parse_args())
    model, port = arguments.pop("model"), arguments.pop("port")
    with tidy_exit():
        main(model, port, Limits(**{key.removeprefix("max_"): value for key, value in arguments.items()}))
