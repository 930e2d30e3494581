"""ASGI application of the server: MLflow's own scoring application, behind limits."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.pyfunc.model import PythonModelContext

from pipeline.inference.pyfunc import SentimentModel
from pipeline.registry.packaging import SIGNATURE
from pipeline.serve.limits import Limits
from pipeline.serve.requests import Refusal, check_body, check_size, check_type
from pipeline.tracking.store import environment_defaults

AT_ONCE = 64
"""Requests that are parsed or computed at a time; more wait. With few, as asyncio has it, long ones fill all places."""
TIMEOUT = {"MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "600"}
"""Seconds in which a request is answered: MLflow's minute is short for several long ones that take turns."""
SMALL = 2**16
"""Bytes of a body that is checked in less time than a thread takes to start."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)


def application(folder: Path, limits: Limits) -> "LimitedApplication":
    """The ASGI application that answers by the model of a folder.

    Raises:
        PipelineError: the folder is no model folder.
    """
    model = SentimentModel()
    model.load_context(PythonModelContext({"model": str(folder)}, None))  # type: ignore[no-untyped-call]
    with environment_defaults(TIMEOUT):
        scoring: App = scoring_server.init(PyFuncModel(Model(signature=SIGNATURE), model))
    return LimitedApplication(scoring, limits, model.predictor.close)


class LimitedApplication:
    """Refuses bad requests with a status and the reason, and hands the others on.

    Args:
        scoring: gets the requests that are taken, their body in one piece.
        limits: of a request.
        close: called at the end; what is still computed must then end soon.
    """

    def __init__(self, scoring: App, limits: Limits, close: Callable[[], None]) -> None:
        self._scoring, self._limits, self._close = scoring, limits, close

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
            try:
                await self._scoring(scope, receive, send)
            finally:
                self._close()
        elif scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/invocations"):
            try:
                await self._invoke(scope, receive, send)
            except Refusal as refusal:
                await _refuse(send, refusal)
            except asyncio.CancelledError:  # uvicorn ends and has waited long enough
                await _refuse(send, Refusal(503, "the server is ending; ask again when it is back"))
        else:
            await self._scoring(scope, receive, send)

    async def _invoke(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        check_type(headers.get(b"content-type"))
        check_size(int(headers.get(b"content-length", 0)), self._limits)
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._body(receive)
        except TimeoutError:
            raise Refusal(408, f"the body was not sent within {self._limits.seconds} seconds") from None
        if body is None:
            return
        if len(body) <= SMALL:
            check_body(body, self._limits)
        else:
            await asyncio.to_thread(check_body, body, self._limits)
        others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        scope["headers"] = [*others, (b"content-type", b"application/json")]  # MLflow knows it in lower case only
        pieces = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pieces.pop() if pieces else await receive()

        try:
            await self._scoring(scope, replay, send)
        except Exception:  # MLflow has answered with a bare 500; with the error the server would cut the connection
            logger.exception("a request failed")

    async def _body(self, receive: Receive) -> bytes | None:
        """The body; None where the client has gone."""
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            check_size(len(body), self._limits)
            more = message.get("more_body", False)
        return bytes(body)


async def _refuse(send: Send, refusal: Refusal) -> None:
    """Answer in the form of MLflow's errors."""
    content = json.dumps({"error_code": "BAD_REQUEST", "message": str(refusal)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if refusal.status == 408:
        headers.append((b"connection", b"close"))  # or one that sends no more would keep it
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
