"""Handling of requests that both servers share: threads, receiving a body within the limits, and refusals."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pipeline.serve.limits import Limits
from pipeline.serve.requests import Refusal, check_body, check_size, check_type

REQUEST_THREADS = 64
"""Requests that are parsed or computed at a time; more wait. With asyncio's few threads, long requests occupy all."""
INLINE_BODY_BYTES = 2**16
"""Largest body that is checked without a thread: the check takes less time than the start of a thread."""

Message = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[Message]]


def start_request_threads() -> None:
    """Give the running event loop a pool of `REQUEST_THREADS` threads; called at the start of a server."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(REQUEST_THREADS))


@contextmanager
def refused_at_shutdown() -> Iterator[None]:
    """Refuse a request that the block has not answered when the server shuts down.

    Raises:
        Refusal: uvicorn shuts down, and has waited long enough for the block.
    """
    try:
        yield
    except asyncio.CancelledError:
        raise Refusal(503, "the server is shutting down; try again later") from None


async def receive_checked(
    scope: Message, receive: AsgiReceive, limits: Limits, text_columns: Sequence[Sequence[str]]
) -> tuple[bytes, Any] | None:
    """Receive the body of a request.

    Args:
        scope: of the request, as in ASGI.
        receive: as in ASGI.
        limits: limits of a request.
        text_columns: as for `check_body`.

    Returns:
        The body and its parsed JSON; None if the client has disconnected.

    Raises:
        Refusal: the body is too large, late, of another type, or one that `check_body` refuses.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    check_type(headers.get(b"content-type"))
    check_size(int(headers.get(b"content-length", 0)), limits)
    try:
        async with asyncio.timeout(limits.seconds):
            body = await _receive_body(receive, limits)
    except TimeoutError:
        raise Refusal(408, f"the body was not sent within {limits.seconds} seconds") from None
    if body is None:
        return None
    if len(body) <= INLINE_BODY_BYTES:
        return body, check_body(body, limits, text_columns)
    return body, await asyncio.to_thread(check_body, body, limits, text_columns)


ERROR_CODES = {429: "REQUEST_LIMIT_EXCEEDED"}
"""MLflow's names of errors, by status; any other is a bad request."""


def refusal_response(refusal: Refusal) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers that tell a client of a refusal, in the form of MLflow's errors."""
    headers = {"content-type": "application/json"}
    if refusal.status == 408:
        headers["connection"] = "close"  # else a client that sends nothing more would keep it open
    if refusal.status in (429, 503):
        headers["retry-after"] = "1"
    code = "INTERNAL_ERROR" if refusal.status >= 500 else ERROR_CODES.get(refusal.status, "BAD_REQUEST")
    return json.dumps({"error_code": code, "message": str(refusal)}).encode(), headers


async def _receive_body(receive: AsgiReceive, limits: Limits) -> bytes | None:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        check_size(len(body), limits)
        more = message.get("more_body", False)
    return bytes(body)
