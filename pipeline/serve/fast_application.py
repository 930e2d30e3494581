"""ASGI application of the fast server: concurrent requests are joined into micro-batches."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline

from pipeline import __version__
from pipeline.serve.api_description import (
    DESCRIPTION,
    INVOCATIONS_ARGUMENTS,
    METRICS_ARGUMENTS,
    PREDICT_ARGUMENTS,
    READY_ARGUMENTS,
)
from pipeline.serve.limits import Limits
from pipeline.serve.live_model import LiveModel
from pipeline.serve.metrics import Metrics
from pipeline.serve.receiving import receive_checked, refusal_response, refused_at_shutdown, start_request_threads
from pipeline.serve.requests import Refusal
from pipeline.serve.texts import answer_body, requested_texts, wanted_output

DISCONNECTED = 499
"""Status under which requests are counted whose client has gone; nobody receives it. The number is nginx's."""

log = logging.getLogger(__name__)


def fast_application(model: LiveModel, limits: Limits, metrics: Metrics) -> FastAPI:
    """Return the ASGI application that serves a model.

    Args:
        model: follows its alias while the application runs, and is closed at its end.
        limits: limits of a request.
        metrics: metrics that the model also reports to.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        start_request_threads()
        model.follow()
        try:
            yield
        finally:
            model.close()

    application = FastAPIOffline(
        title="Sentiment", version=__version__, description=DESCRIPTION, redoc_url=None, lifespan=lifespan
    )
    answering = Answering(model, limits, metrics)
    application.post("/predict", **PREDICT_ARGUMENTS)(answering.answer)
    application.post("/invocations", **INVOCATIONS_ARGUMENTS)(answering.answer)
    application.get("/ready", **READY_ARGUMENTS)(answering.ready)

    @application.get("/health")
    @application.get("/ping", include_in_schema=False)
    async def health() -> dict[str, str]:
        """Answer as long as the process runs; `/ping` is MLflow's name for it."""
        return {"status": "running"}

    @application.get("/metrics", **METRICS_ARGUMENTS)
    async def show_metrics() -> Response:
        return Response(metrics.text(), media_type=metrics.content_type)

    return application


class Answering:
    """Answers requests within limits.

    Args:
        model: classifies the texts.
        limits: limits of a request.
        metrics: records each request.
    """

    def __init__(self, model: LiveModel, limits: Limits, metrics: Metrics) -> None:
        self._model, self._limits, self._metrics = model, limits, metrics
        self._waiting = 0
        """Texts that wait or are computed."""
        metrics.show_waiting(lambda: self._waiting)

    async def ready(self) -> JSONResponse:
        """Say whether a request would be accepted now, and which model would answer it."""
        is_ready = self._waiting < self._limits.queue
        content = {
            "status": "ready" if is_ready else "busy",
            "model": self._model.current.title,
            "classes": self._model.current.info.classes,
            "waiting_texts": self._waiting,
        }
        return JSONResponse(content, 200 if is_ready else 503)

    async def answer(self, request: Request) -> Response:
        """Answer a request with predictions, or with a status and the reason."""
        began = time.perf_counter()
        headers = {"content-type": "application/json"}
        try:
            with refused_at_shutdown():
                body = await self._predictions(request)
            status = 200 if body else DISCONNECTED
        except Refusal as refusal:
            status = refusal.status
            body, headers = refusal_response(refusal)
        except Exception:
            log.exception("a request failed")
            status = 500
            body, headers = refusal_response(Refusal(500, "the model failed; the server's log says why"))
        self._metrics.count_request(status, time.perf_counter() - began)
        return Response(body, status, headers)

    async def _predictions(self, request: Request) -> bytes:
        """Return the body of the answer; empty if the client has disconnected."""
        model = self._model.current
        columns = model.info.text_columns
        received = await receive_checked(request.scope, request.receive, self._limits, columns)
        if received is None:
            return b""
        payload: Any = received[1]
        texts, output = requested_texts(payload, columns), wanted_output(payload)
        if self._waiting and self._waiting + len(texts) > self._limits.queue:
            raise Refusal(429, f"{self._waiting} texts are waiting, the most is {self._limits.queue}; try again later")
        self._waiting += len(texts)
        try:
            async with asyncio.timeout(self._limits.wait):
                predictions = await model.batcher(texts)
        except TimeoutError:
            raise Refusal(503, f"no answer within {self._limits.wait} seconds; try again later") from None
        finally:
            self._waiting -= len(texts)
        self._metrics.count_predictions(predictions)
        return answer_body(predictions, model.info.classes, output)
