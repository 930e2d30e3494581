"""ASGI application of the server: MLflow's own scoring application behind limits."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.pyfunc.model import PythonModelContext

from pipeline.inference.pyfunc import SentimentModel
from pipeline.registry.packaging import OUTPUT_SCHEMA, PARAM_SCHEMA
from pipeline.serve.limits import Limits
from pipeline.serve.receiving import (
    AsgiReceive,
    Message,
    receive_checked,
    refusal_response,
    refused_at_shutdown,
    start_request_threads,
)
from pipeline.serve.requests import Refusal
from pipeline.tracking.store import environment_defaults

SCORING_TIMEOUT = {"MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "600"}
"""Seconds to answer a request. MLflow's default of a minute is short for several long requests that take turns."""

AsgiSend = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, AsgiReceive, AsgiSend], Awaitable[None]]

log = logging.getLogger(__name__)


def application(folder: Path, limits: Limits) -> "LimitedApplication":
    """Return the ASGI application that serves the model of a folder.

    Raises:
        PipelineError: the folder is not a model folder.
    """
    model = SentimentModel()
    model.load_context(PythonModelContext({"model": str(folder)}, None))
    # without a schema of the inputs, MLflow passes every form of a table on as it is
    described = Model(signature=ModelSignature(outputs=OUTPUT_SCHEMA, params=PARAM_SCHEMA))
    with environment_defaults(SCORING_TIMEOUT):
        scoring: AsgiApp = scoring_server.init(PyFuncModel(described, model))
    return LimitedApplication(scoring, limits, model.predictor.close, model.predictor.info.text_columns)


class LimitedApplication:
    """Refuses bad requests with a status and the reason, and passes the others on.

    Args:
        scoring: gets the accepted requests, with the body in one piece.
        limits: limits of a request.
        close: called at shutdown; it must make running computations end soon.
        text_columns: as for `check_body`.
    """

    def __init__(
        self,
        scoring: AsgiApp,
        limits: Limits,
        close: Callable[[], None],
        text_columns: Sequence[Sequence[str]],
    ) -> None:
        self._scoring, self._limits, self._close, self._text_columns = scoring, limits, close, text_columns

    async def __call__(self, scope: Message, receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve a connection; the signature is that of ASGI."""
        if scope["type"] == "lifespan":
            start_request_threads()
            try:
                await self._scoring(scope, receive, send)
            finally:
                self._close()
        elif scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/invocations"):
            try:
                with refused_at_shutdown():
                    await self._invoke(scope, receive, send)
            except Refusal as refusal:
                await _send_refusal(send, refusal)
        else:
            await self._scoring(scope, receive, send)

    async def _invoke(self, scope: Message, receive: AsgiReceive, send: AsgiSend) -> None:
        received = await receive_checked(scope, receive, self._limits, self._text_columns)
        if received is None:
            return
        others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        scope["headers"] = [*others, (b"content-type", b"application/json")]  # MLflow accepts only lower case
        pieces = [{"type": "http.request", "body": received[0], "more_body": False}]

        async def replay() -> Message:
            return pieces.pop() if pieces else await receive()

        try:
            await self._scoring(scope, replay, send)
        except Exception:  # MLflow has answered with a bare 500; raised further, it would close the connection
            log.exception("a request failed")


async def _send_refusal(send: AsgiSend, refusal: Refusal) -> None:
    content, header_values = refusal_response(refusal)
    headers = [(name.encode(), value.encode()) for name, value in header_values.items()]
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
